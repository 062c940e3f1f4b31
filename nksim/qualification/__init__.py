"""Reference cases that anybody can re-run on their own machine: numbers of other programs, laws, expected calendars."""
