"""One outside library per file; its errors and its data are translated there."""
