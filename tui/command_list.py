"""Every command of the terminal, in the order in which help, palette and manual offer them."""

from tui.commands import Command, CommandSet, Scope, Situation


def _needs_row(situation: Situation) -> str | None:
    return None if situation.has_row else "There is nothing under the cursor yet."


def _needs_idle_job(situation: Situation) -> str | None:
    return "A job is running; wait until it has ended." if situation.runs_job else _needs_row(situation)


def _needs_batch(situation: Situation) -> str | None:
    return None if situation.has_batch else "There is no batch under the cursor."


def _needs_week(situation: Situation) -> str | None:
    if situation.is_staged or situation.is_missed:
        return None if situation.may_write else "Only a batch can be opened here: this terminal is read-only."
    return None if situation.has_batch else "There is no week under the cursor."


def _needs_days(situation: Situation) -> str | None:
    return None if situation.has_days else "This batch has no computed day yet."


def _needs_older(situation: Situation) -> str | None:
    return None if situation.has_older else "This is the oldest batch."


def _needs_newer(situation: Situation) -> str | None:
    return None if situation.has_newer else "This is the newest batch."


def _needs_details(situation: Situation) -> str | None:
    return None if situation.has_details else "There is nothing more to show here."


def _needs_staged(situation: Situation) -> str | None:
    return None if situation.is_staged else "Only a staged week can be changed; picks of a batch never are."


def _needs_active(situation: Situation) -> str | None:
    if not situation.has_batch:
        return "There is no batch under the cursor."
    return None if situation.is_active else "This batch has ended; completed and failed are both final."


def _needs_doubt(situation: Situation) -> str | None:
    if not situation.has_batch:
        return "There is no batch under the cursor."
    return None if situation.awaits_word else "No move of this batch waits for an operator's word."


def _needs_told_doubt(situation: Situation) -> str | None:
    return None if situation.awaits_word else "No move waits for an operator's word."


def _needs_filter(situation: Situation) -> str | None:
    return None if situation.is_filtered else "Every week is shown."


def _needs_database(situation: Situation) -> str | None:
    return None if situation.is_open else "The database is not open yet."


def _needs_export(situation: Situation) -> str | None:
    return None if situation.has_export else "There is no table here to export."


def _needs_sources_of_its_own(situation: Situation) -> str | None:
    return "The demo has simulated prices of its own; set up in alpha-monday itself." if situation.is_demo else None


def _needs_columns_left(situation: Situation) -> str | None:
    return None if situation.has_columns_left else "The first columns are in view."


def _needs_columns_right(situation: Situation) -> str | None:
    return None if situation.has_columns_right else "Every column is in view."


COMMANDS = CommandSet(
    (
        # Batches
        Command(
            "open_batch", "enter", "open", "Open the week under the cursor: a batch, or the picks of a staged or "
            "missed one.", Scope.HOME, rank=1, unavailable=_needs_week,
        ),
        Command(
            "edit_staged", "e", "edit", "Change the staged picks of the week under the cursor.", Scope.HOME, rank=14,
            unavailable=_needs_staged, writes=True,
        ),
        Command(
            "unstage", "delete", "unstage", "Take the staged picks of the week under the cursor out of the picks file.",
            Scope.HOME, unavailable=_needs_staged, writes=True,
        ),
        Command(
            "clear_filter", "escape", "show all", "Show every week again.", Scope.HOME, unavailable=_needs_filter,
        ),
        Command("sort", "s", "sort", "Sort by the next column.", Scope.HOME, rank=6, unavailable=_needs_database),
        Command(
            "reverse", "S", "reverse", "Turn the order round.", Scope.HOME, rank=0, unavailable=_needs_database,
        ),
        Command(
            "earlier_day", "left,h", "day before", "Show the computed day before in the preview.", Scope.HOME, rank=9,
            unavailable=_needs_days,
        ),
        Command(
            "later_day", "right,l", "day after", "Show the computed day after in the preview.", Scope.HOME, rank=10,
            unavailable=_needs_days,
        ),
        Command("quit", "q", "quit", "Leave Alpha Monday; the scheduler inside ends with it.", Scope.HOME, rank=2),
        # One batch
        Command(
            "open_details", "enter", "details", "Show everything about the row under the cursor: a day's metrics and "
            "where each price came from, or an event's payload.", Scope.BATCH, rank=1, unavailable=_needs_details,
        ),
        Command(
            "next_tab", "right_square_bracket,tab", "next tab", "Go to the next tab of this batch.", Scope.BATCH,
            rank=2,
        ),
        Command(
            "previous_tab", "left_square_bracket,shift+tab", "tab before", "Go to the previous tab of this batch.",
            Scope.BATCH, rank=8,
        ),
        Command(
            "older_batch", "J", "older", "Go to the batch before this one, without leaving the tab.", Scope.BATCH,
            rank=3, unavailable=_needs_older,
        ),
        Command(
            "newer_batch", "K", "newer", "Go to the batch after this one, without leaving the tab.", Scope.BATCH,
            rank=3, unavailable=_needs_newer,
        ),
        Command("back", "escape,q", "back", "Go back to where you came from.", Scope.BATCH, rank=2),
        # Where a batch is chosen
        Command(
            "fail_batch", "F", "fail", "Mark this batch failed, giving the reason; this is final.", Scope.CHOSEN,
            rank=8, unavailable=_needs_active, writes=True,
        ),
        Command(
            "accept_move", "a", "accept", "Take closes of this batch that moved by more than 40 % in a session at "
            "their word, once they have been shown.", Scope.CHOSEN, rank=1, unavailable=_needs_doubt, comes_up=True,
            writes=True,
        ),
        # Scheduler
        Command(
            "run_job", "R", "run now", "Do the due work of the job under the cursor now.", Scope.SCHEDULER, rank=1,
            unavailable=_needs_idle_job, writes=True,
        ),
        Command(
            "pause", "p", "pause / resume", "Pause the schedulers of this database, all of them, or let them go on.",
            Scope.SCHEDULER, rank=2, unavailable=_needs_database, writes=True,
        ),
        Command(
            "other_pane", "tab,shift+tab", "other pane", "Go between the jobs and what stands below them.",
            Scope.SCHEDULER, rank=6,
        ),
        # Events
        Command(
            "open_event", "enter", "payload", "Show the payload of the event under the cursor.", Scope.EVENTS, rank=1,
            unavailable=_needs_row,
        ),
        Command(
            "follow", "f", "follow", "Keep the cursor on the newest event, or stop doing so.", Scope.EVENTS, rank=3,
        ),
        Command(
            "next_type", "s", "type", "Show only events of the next type.", Scope.EVENTS, rank=4,
            unavailable=_needs_database,
        ),
        Command(
            "open_its_batch", "b", "batch", "Open the batch of the event under the cursor.", Scope.EVENTS, rank=5,
            unavailable=_needs_batch,
        ),
        Command("home", "escape,q", "back", "Go back to the batches.", Scope.ASIDE, rank=2),
        # In lists
        Command(
            "filter", "slash", "filter", "Show only what holds the words typed, as you type; Esc shows everything.",
            Scope.FILTERED, rank=3, unavailable=_needs_database,
        ),
        # While a filter is typed
        Command(
            "to_list", "enter,down,up", "to the list", "Keep the words and go to the list that they leave.",
            Scope.TYPED, rank=1,
        ),
        Command(
            "forget_filter", "escape", "show all", "Forget the words, show everything and go to the list.",
            Scope.TYPED, rank=2,
        ),
        Command("cursor_down", "down,j", "down", "Move one line down.", Scope.LIST),
        Command("cursor_up", "up,k", "up", "Move one line up.", Scope.LIST),
        Command("page_down", "pagedown,ctrl+f", "page down", "Move one page down.", Scope.LIST),
        Command("page_up", "pageup,ctrl+b", "page up", "Move one page up.", Scope.LIST),
        Command("first", "g,home", "first", "Go to the first line.", Scope.LIST),
        Command("last", "G,end", "last", "Go to the last line, loading everything up to it.", Scope.LIST),
        Command(
            "columns_left", "less_than_sign", "columns left", "Bring back the columns that went out to the left.",
            Scope.LIST, unavailable=_needs_columns_left,
        ),
        Command(
            "columns_right", "greater_than_sign", "columns right", "Bring in the columns that had no room.",
            Scope.LIST, unavailable=_needs_columns_right,
        ),
        # Everywhere
        Command(
            "new_batch", "n", "new", "Open a batch, now or late, or stage picks for a week to come.",
            Scope.EVERYWHERE, rank=3, unavailable=_needs_database, writes=True,
        ),
        Command(
            "problems", "exclamation_mark", "problems", "List what went wrong since you last looked, and the key "
            "that helps.", Scope.EVERYWHERE, rank=4, unavailable=_needs_database,
        ),
        Command("batches", "1", "Batches", "Go to the list of batches.", Scope.EVERYWHERE),
        Command("performance", "2", "Performance", "Go to the performance over all batches.", Scope.EVERYWHERE),
        Command("scheduler", "3", "Scheduler", "Go to the scheduler: jobs, waiting days, leadership, sources.",
                Scope.EVERYWHERE),
        Command("events", "4", "Events", "Go to the log of everything that happened.", Scope.EVERYWHERE),
        Command("help", "question_mark", "help", "Show the keys of where you are.", Scope.EVERYWHERE, rank=3),
        Command(
            "palette", "colon,ctrl+p", "commands", "Find any command that applies here by name.", Scope.EVERYWHERE,
            rank=5,
        ),
        Command(
            "copy_row", "y", "copy", "Copy the row under the cursor with its headings, or write it to a file.",
            Scope.EVERYWHERE, rank=11, unavailable=_needs_row,
        ),
        Command(
            "export", "x", "export", "Write what the table shows to a CSV file.", Scope.EVERYWHERE, rank=12,
            unavailable=_needs_export,
        ),
        Command(
            "set_up", "u", "set up", "Choose where prices and picks come from, and try it out.", Scope.EVERYWHERE,
            rank=0, unavailable=_needs_sources_of_its_own, writes=True,
        ),
        Command(
            "next_theme", "t", "theme", "Change the colours: dark, light, or colour-safe.", Scope.EVERYWHERE, rank=13,
        ),
        Command(
            "save_screen", "", "screenshot", "Write a picture (SVG) of this screen to a file.", Scope.EVERYWHERE,
        ),
        Command(
            "quit_anywhere", "ctrl+q", "quit", "Leave Alpha Monday at once.", Scope.EVERYWHERE, comes_first=True,
        ),
        # On top
        Command("close", "escape,q,enter", "close", "Close what lies on top of the screen.", Scope.OVERLAY, rank=1),
        Command(
            "copy_shown", "y", "copy", "Copy what lies on top of the screen, or write it to a file.", Scope.OVERLAY,
            rank=2,
        ),
        Command(
            "accept_told", "a", "accept", "Take the newest move that waits for an operator's word at its word, once it "
            "has been shown.", Scope.PROBLEMS, rank=1, unavailable=_needs_told_doubt, writes=True,
        ),
        Command("submit", "enter,ctrl+s", "go on", "Take what is filled in and go on.", Scope.FORM, rank=1),
        Command("cancel", "escape", "cancel", "Close the form; nothing is written.", Scope.FORM, rank=2),
        # A new batch
        Command(
            "fill_from", "ctrl+o", "fill from", "Choose the pick source that fills in the three picks.",
            Scope.NEW_BATCH, rank=3,
        ),
        Command("week_later", "ctrl+up", "later", "Take the Monday after the one filled in.", Scope.NEW_BATCH, rank=4),
        Command(
            "week_earlier", "ctrl+down", "earlier", "Take the Monday before the one filled in.", Scope.NEW_BATCH,
            rank=4,
        ),
        Command(
            "start_over", "ctrl+l", "start over", "Empty the form, or fill it in as it was at first.",
            Scope.NEW_BATCH, rank=5,
        ),
    )
)  # fmt: skip
