"""The command that takes closes which moved beyond all likelihood at their word: accept."""

import argparse
from collections.abc import Sequence

from core.accepting import accept, doubtful_moves
from core.batches import NotPossibleError
from core.moves import Move
from core.operators import operator_name
from core.services import Access, open_services
from core.settings_layers import LoadedSettings
from core.tickers import canonical_ticker
from tui.output import print_json, print_line
from tui.shell.operating import tell_pause


async def accept_(args: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Accepts the moves that a batch's days wait on, all or those of some symbols; a dry run lists them."""
    access = Access.READ if args.dry_run else Access.WRITE
    async with open_services(loaded.settings, access, with_sources=False) as services:
        waiting = await doubtful_moves(services, args.run_date)
        chosen = [move for move in waiting if not args.symbols or canonical_ticker(move.symbol) in args.symbols]
        if unknown := sorted(set(args.symbols) - {canonical_ticker(move.symbol) for move in waiting}):
            raise NotPossibleError(
                f"No move of {', '.join(unknown)} waits for a word in the batch of {args.run_date}.",
                f"alpha-monday accept {args.run_date} --dry-run lists those that do.",
            )
        if args.dry_run:
            return _list(args, chosen)
        # Where nothing waits it says so.
        moves = chosen if args.symbols else None
        accepted = await accept(services, args.run_date, operator_name(), moves=moves, reason=args.reason)
        is_paused = not args.json and await tell_pause(services)
    if args.json:
        print_json({"accepted": [move.payload() for move in accepted]})
        return 0
    for move in accepted:
        print_line(f"Accepted: {move.words}.")
    print_line(
        "The day is tried again once the schedulers are resumed."
        if is_paused
        else "The next tick of a scheduler tries the day again; alpha-monday --headless --once does it now."
    )
    return 0


def _list(args: argparse.Namespace, moves: Sequence[Move]) -> int:
    if not moves:
        raise NotPossibleError(
            f"No move waits for a word in the batch of {args.run_date}.",
            f"alpha-monday show {args.run_date} tells what its days wait for.",
        )
    if args.json:
        print_json({"accepted": [], "waiting": [move.payload() for move in moves]})
        return 0
    for move in moves:
        print_line(f"Would be accepted: {move.words}.")
    return 0
