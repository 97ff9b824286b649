"""The daemon's events in words, as much of each as the eye can take in while it happens."""

from audit import Event


def words(event: Event) -> tuple[str, str] | None:
    """A line and its style; None for what is not worth one."""
    known = _KNOWN.get(event.name)
    if known is not None:
        template, style = known
        return _first_line(template.format_map(_Facts(event))), style
    if event.get("level") in {"warning", "error", "critical", "raw"}:
        told = event.get("error") or event.get("reason") or event.get("note") or ""
        return _first_line(f"{event.name} {told}".strip()), "yellow"
    return None


def _first_line(text: str) -> str:
    first, *more = text.splitlines() or [""]
    return f"{first} ..." if more else first


class _Facts(dict[str, object]):
    """An event's facts; what it lacks is empty, and times are for people."""

    def __getitem__(self, key: str) -> object:
        value = self.get(key, "")
        if key in {"duration_s", "outage_s"}:
            return "none" if value is None else f"{float(str(value)) * 1000:.0f} ms"
        return value


_KNOWN = {
    "daemon.ready": ("refitd listens", "green"),
    "target.adopted": ("refitd meets the container for the first time: {reason}", ""),
    "deployment.opened": ("woken by {wake}: deployment {deployment}, a {action}: {reason}", "bold"),
    "source.resolved": ("the branch is at {commit:.12}", ""),
    "image.reused": ("an image with just these modules is there already: {image:.19}", ""),
    "build.finished": ("built {image:.19} in {duration_s}", ""),
    "strategy.chosen": ("by {strategy}: {reason}", ""),
    "step.waiting": ("waiting: {reason}", "dim"),
    "step.done": ("{detail} ({duration_s})", ""),
    "deployment.ended": (
        "deployment {deployment}: {result} after {duration_s}, outage {outage_s}",
        "bold",
    ),
    "container.retired": ("the one before is removed: {name}", "dim"),
    "target.looked": ("woken by {wake}: {decision}: {reason}", "dim"),
}
