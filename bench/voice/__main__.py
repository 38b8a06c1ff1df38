"""`make bench-voice`: so many phone calls in one process, ours beside others, over the same emulated providers in one run.

`python -m bench.voice [--calls 1,10,25,50] [--seconds 30] [--only ours,pipecat,…] [--json]`; ends in 1 when a bar is missed.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import uvloop

from bench.relay import ROOT
from bench.voice import ours, peers, processes, table
from bench.voice.processes import Load
from bench.voice.runs import Result, measured
from bench.voice.script import Pace
from libs.kit import log

CALLS = (1, 10, 25, 50)
SECONDS = 30.0
RECORDING = ROOT / "voice-service" / "voice_service" / "recording.py"
Show = Callable[[Result], None]

PRESET = Pace(waits=ours.INDIAN_WAITS, speculates=True)
FLUX = Pace(waits=ours.INDIAN_WAITS, speculates=True, stt=260, eager=120)
NO_PRESET = Pace(waits=ours.NO_WAITS, speculates=True)
"""The providers of the runs: 150 + 180 + 90 ms, Flux as Deepgram describes it, and without the patience of the preset."""
RECORDS = "{recording: {enabled: true}}"
HASTY = "{endpointing: {base_ms: 0, question_ms: 0}}"


async def run(calls: Sequence[int], seconds: float, wanted: Sequence[str], show: Show) -> list[Result]:
    """Everybody who was asked for, one after the other, each in a process of its own."""
    found: list[Result] = []

    def seen(result: Result) -> None:
        found.append(result)
        show(result)

    async with processes.load() as load:
        if "ours" in wanted:
            await _ours(load, calls, seconds, seen)
        for peer in peers.PEERS:
            if peer.name in wanted:
                await _peer(peer, load, calls, seconds, seen)
    return found


async def _ours(load: Load, calls: Sequence[int], seconds: float, seen: Show) -> None:
    most = calls[-1]
    rows = [(table.OURS, "{}", PRESET, each) for each in calls]
    if RECORDING.exists():
        rows.append((table.RECORDS, RECORDS, PRESET, most))
    else:
        print("  recording is not built here: its row is left out", file=sys.stderr, flush=True)
    rows += [(table.FLUX, "{}", FLUX, most), (table.HASTY, HASTY, NO_PRESET, most)]
    async with ours.service() as service:
        for who, voice, pace, each in rows:
            async with service.up(load, voice) as pid:
                result = await measured(who, load, pid, service.ring, each, pace, seconds)
            if who == table.RECORDS and (kept := await service.recorded()) < each:
                result = replace(result, broke=[*result.broke, f"only {kept} recordings of {each} calls are kept"])
            seen(result)


async def _peer(peer: peers.Peer, load: Load, calls: Sequence[int], seconds: float, seen: Show) -> None:
    """The numbers of calls in turn, until it has missed a third of the turns."""
    for each in calls:
        try:
            async with peer.up(load) as (pid, ring):
                result = await measured(peer.name, load, pid, ring, each, peers.PACE, seconds)
        except (subprocess.CalledProcessError, OSError, RuntimeError) as error:
            print(f"  {peer.name} is not measured: {error}", file=sys.stderr, flush=True)
            return
        seen(result)
        if result.talking < each or result.missed * 3 > result.turns:
            break


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="bench.voice", description=__doc__)
    parser.add_argument("--calls", default=",".join(map(str, CALLS)), help="how many at once, ascending")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="how long each run is watched")
    known = ["ours", *(peer.name for peer in peers.PEERS)]
    parser.add_argument("--only", default=",".join(known), help=f"of {', '.join(known)}")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    asked = parser.parse_args()
    if unknown := set(asked.only.split(",")) - set(known):
        parser.error(f"nobody is called {', '.join(sorted(unknown))}")
    calls = sorted(int(each) for each in asked.calls.split(","))
    log.configure("console", "error")
    processes.keep_off_first_core()
    show = table.quiet if asked.json else table.header()
    found = uvloop.run(run(calls, asked.seconds, asked.only.split(","), show))
    bars = table.bars(found)
    if asked.json:
        print(json.dumps({"runs": [each.row() for each in found], "bars": [each.row() for each in bars]}, indent=2))
    else:
        table.judge(bars)
        print(f"\nwhat is not the same: {peers.NOT_THE_SAME}")
    return 1 if any(not each.met for each in bars) else 0


if __name__ == "__main__":
    sys.exit(main())
