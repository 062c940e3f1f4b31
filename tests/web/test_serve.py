"""`nksim serve` on a network and under load, and the words of its pages."""

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from importlib import resources

import httpx
from served import serving

from nksim.cli import run
from nksim.web.words import CHINESE

VIEW = "protocol=jk500&height=110&day0=2027-03-01&tz=Asia/Shanghai&f.cells.dose=1e7+cells/kg&f.cells.days=0,+7,+14"


def test_elsewhere_than_on_loopback_nobody_enters_without_the_token():
    with serving("--host", "0.0.0.0", "--workers", "1") as (address, said):
        warning = "".join(said)
        token = re.search(r"token: (\S{30,})", warning)[1]
        assert "warning[NK751]" in warning
        for where in ("", f"regimen?{VIEW}&weight=20", f"download/calendar.csv?{VIEW}&weight=20", "progress?key=x"):
            closed = httpx.get(address + where)
            assert closed.status_code == 401
            assert "NCT05519384" not in closed.text
        with httpx.Client(timeout=60) as client:
            mark = re.search(r'name="csrf" value="(\w+)"', client.get(address).text)[1]
            assert client.post(f"{address}enter", data={"csrf": mark, "token": token[:-1] + "x"}).status_code == 403
            assert client.get(address).status_code == 401
            assert client.post(f"{address}enter", data={"csrf": mark, "token": token}).status_code == 303
            assert "jk500" in client.get(address).text
            forged = {name: value[:-1] + ("0" if value[-1] != "0" else "1") for name, value in client.cookies.items()}
        assert httpx.get(address, cookies=forged).status_code == 401
        assert (
            httpx.get(address, headers={"host": f"rebound.example:{address.rsplit(':', 1)[1][:-1]}"}).status_code == 421
        )
    assert token not in "".join(said[2:])


def test_twenty_at_once_all_get_their_own_view(page):
    def look(i):
        with httpx.Client(timeout=300) as client:
            asked = f"{page}regimen?{VIEW}&weight={15 + i}"
            answer = client.get(asked)
            while 'id="running"' in answer.text:
                answer = client.get(asked)
            return answer

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(look, range(20)))
    for i, answer in enumerate(answers):
        assert answer.status_code == 200
        assert f"{60 * (15 + i):,} mg" in answer.text
        assert "<svg" in answer.text


def test_a_port_in_use_is_said(capsys):
    with socket.create_server(("127.0.0.1", 0)) as held:
        assert run(["serve", "--port", str(held.getsockname()[1])]) == 2
    assert "error[NK751]: cannot listen" in capsys.readouterr().err


def test_every_word_of_the_pages_has_its_chinese():
    folder = resources.files("nksim.web").joinpath("templates")
    used = set()
    for file in folder.iterdir():
        text = file.read_text(encoding="utf-8")
        used |= {a or b for a, b in re.findall(r"""_\((?:"([^"]*)"|'([^']*)')\)""", text)}
        used |= {
            word for group in re.findall(r"for h in \(([^)]*)\)", text) for word in re.findall(r'"([^"]*)"', group)
        }
    assert len(used) > 80
    assert used - CHINESE.keys() == set()
    # Nothing is kept that no page says: the rest are bases, weekdays and heads of tables that come from the library.
    others = {"stated", "derived", "unknown", "assumed", "set by you", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun",
              "metric", "median", "unit", "higher in", "better in", "ratio to A", "95 % interval", "chance", "needed"}  # fmt: skip
    assert CHINESE.keys() - used - others == set()


def test_nothing_on_the_page_comes_from_elsewhere():
    root = resources.files("nksim.web")
    for folder in ("templates", "static"):
        for file in root.joinpath(folder).iterdir():
            text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
            assert not re.search(r"(https?:)?//[\w.]+\.\w", text), file.name
            assert not re.search(r"\son\w+=|\sstyle=|<style|eval\(|innerHTML", text), file.name
