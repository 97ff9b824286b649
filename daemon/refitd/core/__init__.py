"""Values in, decisions out. Nothing in here does I/O, keeps time, starts threads or logs."""
