#!/usr/bin/env python3
"""Kills the victim at random moments and compares what is on the disk with what it had acknowledged.

    kill9.py VICTIM [KILLS=200] [SEED]

The model is the set of rows that every acknowledged operation leaves. Of the one operation that was running when the
process died either all or nothing may have happened, which is settled by looking. Everything else must be as the model
says: no acknowledged row lost, no half batch, no deleted row back, no damaged row, no failed open.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PER_BATCH = 1000


def play(log, rows, extra):
    """Applies the log to `rows` and `extra`; returns them with the operation that was not acknowledged, if any."""
    running = None
    acknowledged = 0
    for line in log:
        words = line.split()
        if words[0] == ">":
            running = words[1:]
        else:
            assert running is not None and words[1] == running[0], f"acknowledged out of order: {line}"
            rows, extra = apply(running, rows, extra)
            running = None
            acknowledged += 1
    return rows, extra, running, acknowledged


def apply(operation, rows, extra):
    kind = operation[1]
    if kind == "insert":
        first = int(operation[2]) * PER_BATCH
        rows = rows | set(range(first, first + int(operation[3])))
    elif kind == "delete":
        rows = rows - set(range(int(operation[2]), int(operation[3])))
    elif kind == "create":
        extra = True
    elif kind == "drop":
        extra = False
    return rows, extra


def look(victim, folder):
    """What is on the disk: rows, whether the extra collection exists, complaints."""
    done = subprocess.run([victim, "dump", folder], capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        return None, None, [f"failed open ({done.returncode}): {done.stderr.strip()}"]
    rows, extra, count, complaints = set(), None, None, []
    for line in done.stdout.splitlines():
        words = line.split()
        if words[0] == "row":
            rows.add(int(words[1]))
            if words[2] != "good":
                complaints.append(f"damaged row {words[1]}")
        elif words[0] == "extra":
            extra = words[1] == "1"
        else:
            count = int(words[1])
    if count != len(rows):
        complaints.append(f"count says {count}, a search finds {len(rows)}")
    return rows, extra, complaints


def some(rows):
    return f"{len(rows)} rows, like {sorted(rows)[:5]}"


def compare(found, extra, model, model_extra, running):
    after, after_extra = apply(running, model, model_extra) if running else (model, model_extra)
    complaints = []
    if found not in (model, after):
        complaints += [f"lost: {some((model & after) - found)}"] if (model & after) - found else []
        complaints += [f"came from nowhere: {some(found - (model | after))}"] if found - (model | after) else []
        complaints += [f"half of `{' '.join(running)}`"] if running and not complaints else []
    if extra not in (model_extra, after_extra):
        complaints.append(f"the extra collection exists: {extra}, acknowledged: {model_extra}")
    return complaints


def main():
    victim = os.path.abspath(sys.argv[1])
    kills = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else int(time.time())
    dice = random.Random(seed)
    work = tempfile.mkdtemp(prefix="elanus-kill-")
    folder, log_path = os.path.join(work, "db"), os.path.join(work, "log")
    rows, extra, batch, total, cut, problems = set(), False, 1, 0, 0, 0
    for kill in range(kills):
        with open(log_path, "w+b") as log:
            process = subprocess.Popen(
                [victim, "run", folder, str(dice.randrange(2**31)), str(batch)], stdout=log, stderr=subprocess.PIPE
            )
            # Some die while they open the database, most while they work.
            deadline = time.time() + 30
            if dice.random() > 0.1:
                while os.path.getsize(log_path) == 0 and process.poll() is None and time.time() < deadline:
                    time.sleep(0.002)
            time.sleep(dice.expovariate(1 / 0.08))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            stderr = process.communicate()[1].decode()
            complaints = [] if process.returncode == -signal.SIGKILL else [f"ended by itself: {stderr.strip()}"]
            log.seek(0)
            lines = log.read().decode().splitlines()
        rows, extra, running, acknowledged = play(lines, rows, extra)
        total += acknowledged
        cut += running is not None
        inserted = [int(line.split()[3]) for line in lines if " insert " in line]
        batch = max([batch - 1] + inserted) + 1
        found, found_extra, more = look(victim, folder)
        complaints += more
        if found is not None:
            complaints += compare(found, found_extra, rows, extra, running)
            rows, extra = found, found_extra
        for complaint in complaints:
            print(f"kill {kill} (seed {seed}): {complaint}", file=sys.stderr)
        problems += len(complaints)
        if found is None:
            break
    print(f"kill9        {kills} kills, {total} operations acknowledged, {cut} cut off, {len(rows)} rows at the end, "
          f"{problems} problems (seed {seed})")
    if problems:
        print(f"the database is kept in {work}", file=sys.stderr)
        return 1
    shutil.rmtree(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
