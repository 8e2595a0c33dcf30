"""What `doctor` finds out about the channels for alerts: whether they can be used. It sends nothing."""

from core.alerts.channel import open_channels
from core.finding import Finding
from core.plugins import MissingExtraError
from core.settings import PREFIX, Settings


def alerts_finding(settings: Settings) -> Finding:
    """Whether every address of NOTIFY_URLS is understood. Its imports take a while: call it in a thread."""
    if settings.notify_urls is None:
        return Finding("alerts", True, f"not set ({PREFIX}NOTIFY_URLS): nobody is told of anything")
    try:
        channels, problems = open_channels(settings.notify_urls.get_secret_value())
    except MissingExtraError as exc:
        return Finding("alerts", False, exc.message, exc.remedy)
    if problems:
        return Finding("alerts", False, " ".join(problem.message for problem in problems), problems[0].remedy)
    if not channels:
        return Finding("alerts", False, f"{PREFIX}NOTIFY_URLS holds no address", "Set one, or remove the setting.")
    names = ", ".join(channel.name for channel in channels)
    chosen = ", ".join(settings.notify_on) or "nothing, for NOTIFY_ON is empty"
    return Finding("alerts", True, f"{names}: {chosen}; alpha-monday notify --test sends a message to each")
