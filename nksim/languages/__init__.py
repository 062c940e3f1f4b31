"""Translations of what nksim says: gettext catalogues, `LANGUAGE/nksim.po` and `LANGUAGE/protocols.po`, compiled."""
