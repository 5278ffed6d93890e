// The fence and the works of a machine in sh: judged under one lock, in the same remote command as what it guards.
import { type FenceRequest, leaseSeconds } from '../model/fence.ts';
import { command, sh } from '../model/shell.ts';

export const fenceDir = '/run/homelab';

/** Exit status of a request that was not granted; the reason stands on stderr. */
export const refusedCode = 93;
export const refusedMark = '@homelab-fence';

/** Exit status of a work that neither ended by itself nor by its deadline: killed, or its machine is going down. */
export const cutOffCode = 98;

/** On stderr when the unit's own deadline struck. */
export const deadlineMark = 'homelab: its deadline struck';

/** What a request is made for. */
export interface Asker {
  /** For people: 'anna@laptop: homelab bootstrap'. */
  readonly who: string;
  /** The boot that was looked at. */
  readonly bootId: string;
}

/** A mutation under a name of its own: it outlives the connection that asked for it. */
export interface Work {
  readonly step: string;
  readonly seq: number;
  readonly script: string;
  readonly timeoutMs: number;
}

/** The unit that a step runs as. */
export function unitOf(step: string): string {
  return `homelab-${step.replaceAll(/[^A-Za-z0-9_.-]+/g, '-').slice(0, 200)}`;
}

// The record is one line; /run is empty after a boot. Field 22 of /proc/PID/stat is when the process began (proc(5)).
const record = `serial=0 run=- seq=0 until=0 pid=0 since=0 who=-
[ ! -e "$fence/record" ] || read -r serial run seq until pid since who < "$fence/record"
read -r now _ < /proc/uptime
now=\${now%.*}
since_of() {
  [ -e "/proc/$1/stat" ] || return 0
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  # shellcheck disable=SC2086
  set -- \${stat##*) }
  shift 19
  echo "$1"
}
is_gone() { [ "$pid" != 0 ] && [ "$(since_of "$pid")" != "$since" ]; }
`;

const running = `is_running() {
  [ ! -e "$fence/work/$1/result" ] || return 1
  # No answer is no end: systemd itself may be starting anew.
  case $(systemctl is-active "$1.service" 2>/dev/null) in inactive | failed | unknown) return 1 ;; esac
}
`;

const locked = (dir: string) => `umask 077
fence=${sh(dir)}
mkdir -p "$fence/work"
exec 9>"$fence/lock"
flock 9
${record}${running}is_working() {
  for work in "$fence"/work/*; do
    [ ! -d "$work" ] || ! is_running "\${work##*/}" || return 0
  done
  return 1
}
refuse() {
  echo "${refusedMark} $1 $who" >&2
  exit ${refusedCode}
}
# The connection: its sshd is an ancestor of ours. Another server's is not known, then only the lease counts.
session() {
  p=$$
  while [ "$p" -gt 1 ]; do
    stat=$(cat "/proc/$p/stat")
    name=\${stat#*(}
    case \${name%)*} in sshd*) echo "$p $(since_of "$p")"; return ;; esac
    # shellcheck disable=SC2086
    set -- \${stat##*) }
    p=$2
  done
  echo '0 0'
}
save() {
  printf '%s\\n' "$serial $run $seq $until $1 $who" > "$fence/record.new"
  mv "$fence/record.new" "$fence/record"
}
heard() {
  until=$((now + ${leaseSeconds}))
  at=$(session)
  # A command that outlives its connection sees no sshd above it any more: the one that the run was known by still tells that it is gone.
  [ "$at" != '0 0' ] || at="$pid $since"
  save "$at"
}
`;

/** Grants the request or ends with `refusedCode`; the lock stays held. The same rule as `judge` in model/fence.ts. */
function judged(request: FenceRequest, { who, bootId }: Asker, dir: string): string {
  const mine = sh(request.run);
  const before = `${locked(dir)}[ "$(cat /proc/sys/kernel/random/boot_id)" = ${sh(bootId)} ] || refuse rebooted
`;
  const holds = `[ "$run" = ${mine} ] || refuse taken
[ "$now" -le "$until" ] || is_working || refuse lapsed
`;
  switch (request.kind) {
    case 'claim':
      return `${before}if [ "$run" != ${mine} ] || [ "$serial" != ${request.serial + 1} ] || [ "$seq" != 0 ]; then
  [ "$serial $seq" = '${request.serial} ${request.seq}' ] || refuse changed
  ! is_working || refuse busy
${request.steal ? '' : `  [ "$run" = - ] || [ "$now" -gt "$until" ] || is_gone || refuse held\n`}  pid=0 since=0
fi
serial=${request.serial + 1} run=${mine} seq=0 who=${sh(who)}
heard
`;
    case 'renew':
      return `${before}${holds}heard\n`;
    case 'release':
      return `${before}${holds}! is_working || refuse busy
run=- until=0 who=-
save '0 0'
`;
    case 'work':
      return `${before}again=no
if [ "$run" = ${mine} ] && [ "$seq" = ${request.seq} ]; then again=yes
else
  ${holds.replaceAll('\n', '\n  ').trimEnd()}
  [ "$seq" -lt ${request.seq} ] || refuse late
  ! is_working || refuse busy
  seq=${request.seq}
  heard
fi
`;
    default: {
      const never: never = request;
      return never;
    }
  }
}

/** A request alone: claim, renew, release. */
export function fenceScript(request: FenceRequest, asker: Asker, dir = fenceDir): string {
  return `set -eu\n${judged(request, asker, dir)}${request.kind === 'release' ? 'rm -rf "$fence"/work/*\n' : ''}`;
}

/** A script that runs only while the run holds the machine. */
export function guarded(script: string, run: string, asker: Asker, dir = fenceDir): string {
  return `set -eu\n(\n${judged({ kind: 'renew', run }, asker, dir)})\n${script}`;
}

// In the unit, with its folder as $0: nothing runs before the whole script is there.
const loader =
  'umask 022; cd /; echo > "$0/started"; s=$(cat); exec </dev/null; ' +
  'case $s in *": homelab-end") ;; *) echo "the script did not arrive whole" >&2; exit 97 ;; esac; eval "unset s; $s"';

/**
 * Begins the work as a transient unit and waits for its end, or only waits when it was begun before. Its folder has output and result
 * until the next work of the run, so that an answer that got lost can be asked for again.
 */
export function workScript({ step, seq, script, timeoutMs }: Work, run: string, asker: Asker, dir = fenceDir): string {
  if (script.includes('HOMELAB_WORK')) throw new TypeError(`the script of ${step} has the word that ends it`);
  const unit = unitOf(step);
  const property = (text: string) => ['--property', text];
  const environment = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL=C', 'HOME=/root'];
  const start = command(
    'systemd-run',
    '--quiet',
    '--pipe',
    '--wait',
    '--collect',
    `--unit=${unit}`,
    `--description=homelab: ${step}`,
    ...property(`RuntimeMaxSec=${Math.max(1, Math.ceil(timeoutMs / 1000))}`),
    ...property('TimeoutStopSec=5'),
    ...property(`ExecStopPost=/bin/sh ${dir}/work/${unit}/end ${dir}/work/${unit}`),
    ...environment.map(text => `--setenv=${text}`),
    '/bin/sh',
    '-c',
    loader,
    `${dir}/work/${unit}`,
  );
  return `set -eu
${judged({ kind: 'work', run, seq }, asker, dir)}work=$fence/work/${sh(unit)}
if [ "$again" = no ]; then
  rm -rf "$fence"/work/*
  mkdir "$work"
  printf '%s\\n' ${sh(run)} > "$work/run"
  printf '%s\\n' ${sh(step)} > "$work/step"
  # systemd calls it at the end of the unit, whatever ended it (systemd.exec(5), SERVICE_RESULT).
  printf '%s\\n' 'echo "$SERVICE_RESULT \${EXIT_STATUS-}" > "$1/result.new" && mv "$1/result.new" "$1/result"' > "$work/end"
  {
    # The lock is ours only until the unit runs: signs of life and other runs ask meanwhile.
    exec 9>&-
    client=0
    ${start} > "$work/out" 2> "$work/err" || client=$?
    echo "$client" > "$work/client"
  } <<'HOMELAB_WORK' &
${script.endsWith('\n') ? script : `${script}\n`}: homelab-end
HOMELAB_WORK
  until [ -e "$work/started" ] || [ -e "$work/client" ]; do sleep 0.02; done
fi
exec 9>&-
[ "$again" = yes ] || wait
${awaited}`;
}

// Ends with what the unit ended with; needs $fence and $work.
const awaited = `while is_running "\${work##*/}"; do sleep 0.3; done
[ -d "$work" ] || { echo "${refusedMark} late -" >&2; exit ${refusedCode}; }
cat "$work/out"
cat "$work/err" >&2
[ -e "$work/result" ] || { echo 'homelab: systemd did not run it to an end' >&2; exit ${cutOffCode}; }
read -r result status < "$work/result"
case "$result $status" in
'success 0' | 'success ') exit 0 ;;
exit-code*) exit "$status" ;;
timeout*) echo '${deadlineMark}' >&2; exit 124 ;;
esac
# A SIGTERM is a clean end to systemd (systemd.service(5), SuccessExitStatus): what a machine that goes down has stopped is not done.
echo "homelab: ended by $result $status" >&2
# What it says of itself while it goes down is worth nothing: its connection ends soon.
[ "$(systemctl is-system-running 2>/dev/null)" != stopping ] || sleep 60
exit ${cutOffCode}
`;

/** Waits for a work that an interrupted run began, and tells what it came to. */
export function waitScript(unit: string, dir = fenceDir): string {
  return `set -eu
fence=${sh(dir)}
${running}work=$fence/work/${sh(unit)}
${awaited}`;
}

/** In every reading: the fence, and the works that are there. Changes nothing. */
export function fenceReading(dir = fenceDir): string {
  return `fence=${sh(dir)}
${record}${running}word=unknown
[ "$pid" = 0 ] || word=alive
! is_gone || word=gone
printf '%s\\n' "$serial $run $seq $until $word $now $who"
for work in "$fence"/work/*; do
  [ -e "$work/step" ] || continue
  state=ended
  ! is_running "\${work##*/}" || state=running
  result=none
  [ ! -e "$work/result" ] || result=$(cat "$work/result")
  printf '%s\\t%s\\t%s\\t%s\\t%s\\n' "\${work##*/}" "$state" "$(cat "$work/run")" "$result" "$(cat "$work/step")"
done
`;
}
