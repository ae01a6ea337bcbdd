"""Reports: what ran, on what, with which verdict, as page, data and pictures."""
