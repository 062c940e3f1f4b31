// Reads one iCalendar file on stdin with ical.js in strict mode and prints what it understood as JSON.
import { readFileSync } from "node:fs";
import ICAL from "ical.js";

ICAL.design.strict = true;
const calendar = new ICAL.Component(ICAL.parse(readFileSync(0, "utf8")));
for (const zone of calendar.getAllSubcomponents("vtimezone")) {
  ICAL.TimezoneService.register(zone);
}

const utc = (time) => (time ? new Date(time.toUnixTime() * 1000).toISOString().replace(".000Z", "Z") : null);
const read = (event) => {
  const value = (name) => event.getFirstPropertyValue(name);
  const start = event.getFirstProperty("dtstart");
  return {
    uid: value("uid"),
    summary: value("summary"),
    description: value("description"),
    organizer: value("organizer"),
    status: value("status"),
    sequence: value("sequence"),
    zone: start.getParameter("tzid") ?? null,
    start: utc(value("dtstart")),
    end: utc(value("dtend")),
    stamp: utc(value("dtstamp")),
    changed: utc(value("last-modified")),
    categories: event.getFirstProperty("categories").getValues(),
  };
};
const record = calendar.getFirstPropertyValue("x-nksim-record");
process.stdout.write(
  JSON.stringify({
    method: calendar.getFirstPropertyValue("method"),
    record,
    zones: calendar.getAllSubcomponents("vtimezone").map((zone) => zone.getFirstPropertyValue("tzid")),
    events: calendar.getAllSubcomponents("vevent").map(read),
  }),
);
