"""What others may send: none of it gets an answer that it should not, and none stops the page.

The list follows the NCC Group's notes on DNS rebinding, RFC 9112 section 6 (message framing) and the OWASP cheat
sheets on CSRF, file upload and injection.
"""

import re
import socket
import time
from contextlib import contextmanager
from importlib import resources
from urllib.parse import quote, urlencode, urlsplit

import httpx
import pytest

VIEW = "protocol=jk500&weight=20&height=110&day0=2027-03-01&tz=Asia/Shanghai&f.cells.dose=1e7+cells/kg&f.cells.days=0"
FORM = "application/x-www-form-urlencoded"
NOT_SAID = re.compile(r"Traceback|File \"|/nksim/|site-packages|root:x:|jinja2", re.IGNORECASE)


def sent(page, data, patience=40.0):
    """What the page answers to these bytes, until it closes or says nothing more for a while."""
    where = urlsplit(page)
    with socket.create_connection((where.hostname, where.port), timeout=patience) as talk:
        talk.sendall(data)
        found = b""
        try:
            while part := talk.recv(65536):
                found += part
                head, _, body = found.partition(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head)
                if length and len(body) >= int(length[1]):
                    break
        except (TimeoutError, ConnectionResetError):
            pass
    return found.decode("latin-1")


def status(answer):
    return int(answer.split(" ", 2)[1]) if answer else 0


def request(page, target="/", *, method="GET", host=None, headers="", body="", version="1.1"):
    host = f"Host: {urlsplit(page).netloc if host is None else host}\r\n"
    return f"{method} {target} HTTP/{version}\r\n{host}{headers}Connection: close\r\n\r\n{body}".encode("latin-1")


def alive(page):
    assert httpx.get(page, timeout=30).status_code == 200


# name: (bytes to send as a function of the page's address, statuses that are right)
RAW = {
    "another name": (lambda p: request(p, host="evil.example"), {421}),
    "another name, this port": (lambda p: request(p, host=f"evil.example:{urlsplit(p).port}"), {421}),
    "a name that ends like ours": (lambda p: request(p, host=f"localhost.evil.example:{urlsplit(p).port}"), {421}),
    "user before the name": (lambda p: request(p, host=f"x@{urlsplit(p).netloc}"), {421}),
    "another port": (lambda p: request(p, host="127.0.0.1:1"), {421}),
    "no port": (lambda p: request(p, host="127.0.0.1"), {421}),
    "all addresses": (lambda p: request(p, host=f"0.0.0.0:{urlsplit(p).port}"), {421}),
    "empty name": (lambda p: request(p, host=""), {421}),
    "no name": (lambda p: b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", {400}),
    "no name, HTTP/1.0": (lambda p: b"GET / HTTP/1.0\r\n\r\n", {400, 421}),
    "two names": (lambda p: request(p, headers="Host: evil.example\r\n"), {400}),
    "an absolute address": (lambda p: request(p, "http://evil.example/"), {400}),
    "our own absolute address": (lambda p: request(p, p), {400}),
    "two lengths": (
        lambda p: request(
            p, "/upload", method="POST", headers="Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", body="0\r\n\r\n"
        ),
        {400},
    ),
    "two different content lengths": (
        lambda p: request(
            p, "/upload", method="POST", headers="Content-Length: 4\r\nContent-Length: 5\r\n", body="aaaa"
        ),
        {400},
    ),
    "negative length": (lambda p: request(p, "/upload", method="POST", headers="Content-Length: -1\r\n"), {400, 413}),
    "huge length": (lambda p: request(p, "/upload", method="POST", headers="Content-Length: 99999999999\r\n"), {413}),
    "up": (lambda p: request(p, "/static/../../etc/passwd"), {400, 404}),
    "up, encoded": (lambda p: request(p, "/static/%2e%2e/%2e%2e/etc/passwd"), {400}),
    "up, twice encoded": (lambda p: request(p, "/static/%252e%252e/etc/passwd"), {400}),
    "backslash": (lambda p: request(p, "/static/..\\..\\etc\\passwd"), {400}),
    "NUL, encoded": (lambda p: request(p, "/static/page.css%00.html"), {400}),
    "NUL": (lambda p: request(p, "/\x00"), {400}),
    "two slashes": (lambda p: request(p, "//evil.example/"), {400}),
    "a star": (lambda p: request(p, "*", method="OPTIONS"), {400, 405}),
    "TRACE": (lambda p: request(p, method="TRACE"), {405}),
    "PUT": (lambda p: request(p, "/upload", method="PUT"), {405}),
    "CONNECT": (lambda p: request(p, "evil.example:443", method="CONNECT"), {400, 405}),
    "a method of its own": (lambda p: request(p, method="EVIL"), {405}),
    "no HTTP": (lambda p: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", {400}),
    "a long header": (lambda p: request(p, headers=f"X-Long: {'a' * 70_000}\r\n"), {400, 431}),
    "a long address": (lambda p: request(p, f"/regimen?protocol={'a' * 20_000}"), {414}),
    "a split header": (lambda p: request(p, "/regimen?protocol=jk500%0d%0aSet-Cookie:%20a=b"), {400}),
    "a websocket": (
        lambda p: request(p, headers="Upgrade: websocket\r\nSec-WebSocket-Key: YQ==\r\nSec-WebSocket-Version: 13\r\n"),
        {200, 400, 403, 426},
    ),
}


@pytest.mark.parametrize("name", RAW)
def test_a_raw_request_gets_the_answer_that_it_should(page, name):
    data, right = RAW[name]
    answer = sent(page, data(page))
    assert status(answer) in right, answer[:400]
    assert not NOT_SAID.search(answer)
    assert "101 Switching" not in answer
    alive(page)


def test_a_slow_header_is_not_waited_for(page):
    began = time.monotonic()
    assert status(sent(page, b"GET / HTTP/1.1\r\nHost: 127")) == 0
    # It ends by itself, long before the 40 s that the test would wait.
    assert time.monotonic() - began < 35
    alive(page)


def test_a_slow_body_is_not_waited_for(page):
    head = f"Content-Type: {FORM}\r\nContent-Length: 100\r\n"
    answer = sent(page, request(page, "/cancel", method="POST", headers=head, body="csrf=1"))
    assert status(answer) == 408
    alive(page)


def test_ten_megabytes_are_not_read(page):
    body = b"a" * 10_000_000
    answer = httpx.post(f"{page}upload", content=iter([body]), headers={"content-type": FORM}, timeout=60)
    # Refused as a body, or before that as one field that is too long.
    assert answer.status_code in (400, 413), answer.text
    alive(page)


# query: statuses that are right, text that must stand in the answer
QUERIES = {
    "protocol=../../etc/passwd": (400, "NK503"),
    "protocol=/etc/passwd": (400, "NK503"),
    "protocol=protocols/jk500.yaml": (400, "NK503"),
    "protocol=C:\\x.yaml": (400, "NK503"),
    "protocol=nosuch": (400, "NK503"),
    "protocol=upload-" + "0" * 64: (413, "NK755"),
    "protocol=jk500&arm=x": (400, "NK504"),
    "protocol=jk500&level=99": (200, "NK505"),
    "protocol=jk500&level=1e9": (400, "NK753"),
    "protocol=jk500&n=1000000000": (400, "NK757"),
    "protocol=jk500&n=20000&days=365&b.protocol=nkaml": (400, "NK757"),
    "protocol=jk500&n=0": (400, "NK757"),
    "protocol=jk500&n=-1": (400, "NK753"),
    "protocol=jk500&n=١": (400, "NK753"),
    "protocol=jk500&seed=9999999999999999999999": (400, "NK753"),
    "protocol=jk500&patient=Jane+Doe": (400, "NK753"),
    "protocol=jk500&id=Jane": (400, "NK753"),
    "protocol=jk500&weight=1&weight=2": (400, "NK753"),
    "protocol=jk500&weight=%00": (400, "NK753"),
    "protocol=jk500&weight=%ff": (400, "NK753"),
    "protocol=jk500&f.__class__.__init__=1": (200, "__class__"),
    "protocol=jk500&f.../../x=1": (400, "NK753"),
    "protocol=jk500&lang=../../en": (400, "NK753"),
    f"{VIEW}&output=__import__": (200, "NK753"),
    f"{VIEW}&cells_at=25:99": (200, "NK"),
    f"{VIEW}&n=2&f.cy.days=every+1+d,+100000000+doses": (200, "NK"),
    f"{VIEW}&n=2&f.cy.dose=9**9**9+mg": (200, "NK"),
    f"{VIEW}&n=2&f.cy.dose=" + "9" * 290: (200, "NK"),
    f"{VIEW}&n=2&f.cy.dose=" + quote("__import__('os').system('id')"): (200, "NK"),
    f"{VIEW}&n=2&f.cy.dose=" + quote("!!python/object/apply:os.system [id]"): (200, "NK"),
    f"{VIEW}&n=2&f.cy.dose=" + quote("{stated: &a [*a, *a]}"): (200, "NK"),
    f"{VIEW}&n=2&tz=" + quote("../../../etc/passwd"): (400, "NK753"),
    f"{VIEW.replace('Asia/Shanghai', quote('../../../etc/passwd'))}&n=2": (200, "NK407"),
    "&".join(f"x{i}=1" for i in range(1000)): (400, "NK753"),
}


@pytest.mark.parametrize("query", QUERIES, ids=[q[-60:] for q in QUERIES])
def test_a_query_gets_a_code_and_the_mend(page, query):
    right, code = QUERIES[query]
    answer = httpx.get(f"{page}regimen?{query}", timeout=60)
    assert (answer.status_code, code in answer.text) == (right, True), answer.text[-3000:]
    assert not NOT_SAID.search(answer.text)


@pytest.mark.parametrize(
    "text",
    [
        "{{7919*7907}}",
        "{% include '/etc/passwd' %}",
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "=1+1",
    ],
)
def test_text_of_a_user_is_only_ever_text(page, text):
    for name in ("weight", "tz", "f.cy.dose", "f.cells.days", "arm", "protocol"):
        fields = {"protocol": "jk500", name: text}
        answer = httpx.get(f"{page}regimen?{urlencode(fields)}", timeout=60).text
        assert "<script>alert" not in answer
        assert "<img src=x" not in answer
        assert "root:x" not in answer
        assert "62615533" not in answer


@contextmanager
def form_of(page):
    """A client with a session, and the mark of its forms."""
    with httpx.Client(timeout=60) as client:
        text = client.get(page).text
        yield client, re.search(r'name="csrf" value="([0-9a-f]{64})"', text)[1]


@pytest.mark.parametrize(
    ("mark", "headers", "right"),
    [
        (None, {}, 303),
        ("0" * 64, {}, 403),
        ("", {}, 403),
        ("é", {}, 403),
        (None, {"origin": "http://evil.example"}, 403),
        (None, {"origin": "null"}, 403),
        (None, {"origin": "null", "sec-fetch-site": "same-origin"}, 303),
        (None, {"origin": "null", "sec-fetch-site": "cross-site"}, 403),
        (None, {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 403),
        (None, {"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_a_form_is_taken_from_this_page_only(page, mark, headers, right):
    with form_of(page) as (client, own):
        fields = {"csrf": own if mark is None else mark, "key": "x", "view": "protocol=jk500"}
        assert client.post(f"{page}cancel", data=fields, headers=headers).status_code == right
        client.cookies.clear()
        assert client.post(f"{page}cancel", data=fields, headers=headers).status_code == 403


def test_another_site_may_link_here_and_not_fetch_from_here(page):
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    image = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert httpx.get(page, headers=link).status_code == 200
    assert httpx.get(f"{page}download/calendar.csv?{VIEW}", headers=image).status_code == 403
    assert "access-control-allow-origin" not in httpx.get(page).headers


@pytest.mark.parametrize("where", ["", "nosuch", f"regimen?{VIEW}", "static/page.js", f"download/calendar.csv?{VIEW}"])
def test_every_answer_carries_the_headers_that_close_it(page, where):
    held = httpx.get(page + where, timeout=60).headers
    policy = held["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert (held["x-content-type-options"], held["referrer-policy"], held["cache-control"]) == (
        "nosniff", "no-referrer", "no-store",
    )  # fmt: skip
    assert "server" not in held


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("../../evil.yaml", b"format: 1\nid: \x00", "NK1"),
        ("a.yaml", b"!!python/object/apply:os.system [id]", "NK1"),
        ("a.yaml", b"a: &a [1]\nb: *a", "NK105"),
        ("a.yaml", b"\xff\xfe\x00", "NK1"),
        ("a.yaml", b"[" * 100_000, "NK107"),
        ("a.yaml", b"", "NK755"),
        ("a.yaml", b"a" * 1_000_001, "NK755"),
        ("<script>.yaml", b"format: <script>alert(1)</script>", "NK"),
    ],
)
def test_a_hostile_upload_is_refused_with_a_code(page, name, content, code):
    with form_of(page) as (client, mark):
        answer = client.post(f"{page}upload", data={"csrf": mark}, files={"file": (name, content)})
    assert answer.status_code in (400, 413)
    assert code in answer.text
    assert "<script>alert" not in answer.text
    assert not NOT_SAID.search(answer.text)


@pytest.mark.parametrize(
    "id", ["../../x", 'a"; filename="evil', "Jane Doe", "=1+1", "a\r\nSet-Cookie: a=b", "x" * 5000]
)
def test_a_patient_id_is_no_file_name_and_no_formula(page, id):
    with form_of(page) as (client, mark):
        answer = client.post(f"{page}download/calendar.csv?{VIEW}", data={"csrf": mark, "id": id})
    assert answer.status_code == 400
    assert "NK404" in answer.text
    assert "set-cookie" not in answer.headers


def test_a_file_is_named_by_the_page(page):
    answer = httpx.get(f"{page}download/calendar.csv?{VIEW}", timeout=60)
    assert answer.headers["content-disposition"] == 'attachment; filename="nksim-calendar.csv"'
    for name in ("calendar.exe", "..%2f..%2fetc%2fpasswd", "passwd", "report.html.yaml"):
        assert httpx.get(f"{page}download/{name}?{VIEW}").status_code in (400, 404)


def test_texts_of_an_upload_are_only_ever_text(page):
    text = resources.files("nksim.protocols_data").joinpath("nkaml.yaml").read_text(encoding="utf-8")
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    text = re.sub(r"^title: .*$", f"title: '{evil}'", text, flags=re.MULTILINE)
    text = re.sub(r"why: [^,}]*}", f"why: '{evil}'}}", text)
    assert text.count("onerror") > 5
    with form_of(page) as (client, mark):
        found = client.post(f"{page}upload", data={"csrf": mark}, files={"file": ("a.yaml", text.encode())})
        assert found.status_code == 303, found.text
        view = f"{page[:-1]}{found.headers['location']}&assume=1&weight=25&height=128&day0=2027-03-01&tz=UTC&n=5"
        answer = client.get(view).text
        while 'id="running"' in answer:
            answer = client.get(view).text
    assert "<svg" in answer
    assert "onerror" in answer
    assert "<script>alert" not in answer
    assert "<img" not in answer
