"""The parts of report.html: what each section shows, and the template, style and script that show it."""
