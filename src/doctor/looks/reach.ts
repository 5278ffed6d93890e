// What this machine reaches: the API's endpoint, the others' kubelets, its resolvers. Silence, a refusal and an answer are three things.
import { command } from '../../model/shell.ts';
import { type About, type Look, linesOf } from './look.ts';

/** Asked side by side. In a larger cluster every machine asks those that come after it, so that each is asked by as many. */
const peersAtMost = 12;

export const reach: Look = {
  id: 'reach',
  lane: 'peers',
  facts: ['reach'],
  // A machine among its own peers is not asked whether it reaches itself.
  script: about => `own=" $(hostname -I 2>/dev/null) "
knock() {
  case $own in *" $2 "*) return 0 ;; esac
  said=$(timeout 4 bash -c 'exec 3<>"/dev/tcp/$1/$2"' - "$2" "$3" 2>&1) && code=0 || code=$?
  printf '%s %s %s %s\\n' "$1" "$3" "$code" "$(printf %s "$said" | tail -n 1 | cut -c -200)"
}
greet() {
  case $own in *" $2 "*) return 0 ;; esac
  command -v ping >/dev/null || return 0
  if ping -n -q -c 2 -i 0.3 -W 1 "$2" >/dev/null 2>&1; then echo "$1 0 0"; else echo "$1 0 124"; fi
}
server=$(sed -n 's|^ *server: https://\\([^/]*\\).*|\\1|p' /etc/kubernetes/kubelet.conf 2>/dev/null | head -n 1)
case $server in
  '') ;;
  *]:* | *[!:]:[0-9]*) knock "\${server%:*}" "\${server%:*}" "\${server##*:}" & ;;
  *) knock "$server" "$server" 443 & ;;
esac
${targetsOf(about)
  .map(words => `${command(words[2] === '0' ? 'greet' : 'knock', ...words)} &\n`)
  .join('')}wait
`,
  parse(output) {
    const found = linesOf(output).map(line => {
      const [to = '', port = '', code = '', ...said] = line.split(' ');
      return { to, port: Number(port), ok: code === '0', says: reasonOf(Number(code), said.join(' ')) };
    });
    // The kubelet's own endpoint may be the one that was declared.
    const once = new Map(found.map(each => [`${each.to} ${each.port}`, each]));
    return {
      reach: [...once.values()].sort((one, other) =>
        one.to === other.to ? one.port - other.port : one.to < other.to ? -1 : 1,
      ),
    };
  },
};

function targetsOf({ name: own, peers: all, endpoint }: About): readonly (readonly [string, string, string])[] {
  const at = all.findIndex(peer => peer.name === own);
  const peers = at < 0 ? all : [...all.slice(at + 1), ...all.slice(0, at)];
  const [name = '', port = '6443'] = endpoint?.split(/:(?=\d+$)/) ?? [];
  const controlPlanes = peers.filter(({ role }) => role === 'control-plane');
  const some = [...controlPlanes, ...peers.filter(peer => !controlPlanes.includes(peer))].slice(0, peersAtMost);
  return [
    ...(name === '' ? [] : [[name, name, port] as const]),
    ...controlPlanes.slice(0, peersAtMost).map(peer => [peer.name, peer.address, '6443'] as const),
    ...some.flatMap(peer => ['10250', '22', '0'].map(port => [peer.name, peer.address, port] as const)),
  ];
}

/** Of an exit code and bash's words about a connection that it could not open. */
export function reasonOf(code: number, said: string): string {
  if (code === 0) return 'answers';
  if (code === 124 || /timed out/.test(said)) return 'timed out';
  if (/refused/.test(said)) return 'refused';
  if (/No route|unreachable/.test(said)) return 'no route';
  if (/not known|resolution|No address/.test(said)) return 'name does not resolve';
  return /: ([^:]+)$/.exec(said)?.[1]?.trim() ?? (said || `exit ${code}`);
}

export const resolverAnswers: Look = {
  id: 'resolver-answers',
  lane: 'peers',
  facts: ['resolverAnswers'],
  // The question is for the name servers of the root: whoever resolves names knows them. Twice, for a packet may be lost.
  script: () => `ask() {
  said=$(timeout 4 bash -c 'exec 3<>"/dev/udp/$1/53" || exit 1
for try in 1 2; do
  printf "\\022\\064\\001\\000\\000\\001\\000\\000\\000\\000\\000\\000\\000\\000\\002\\000\\001" >&3
  head="$(timeout 1.4 head -c 4 <&3 | od -An -tu1)" || exit 1
  [ -z "$head" ] || { echo "$head"; exit 0; }
done
exit 124' - "$1" 2>&1) && code=0 || code=$?
  printf '%s %s %s\\n' "$1" "$code" "$(printf %s "$said" | tail -n 1 | tr -s ' ' | cut -c -200)"
}
kubelet=$(sed -n 's/^resolvConf: *//p' /var/lib/kubelet/config.yaml 2>/dev/null | tr -d "\\"'") || kubelet=
for server in $(cat /etc/resolv.conf /run/systemd/resolve/resolv.conf \${kubelet:+"$kubelet"} 2>/dev/null | sed -n 's/^[[:space:]]*nameserver[[:space:]]*\\([0-9a-fA-F:.]*\\).*/\\1/p' | sort -u | head -n 6); do
  ask "$server" &
done
wait
`,
  parse(output) {
    return {
      resolverAnswers: Object.fromEntries(
        linesOf(output).map(line => {
          const [server = '', code = '', ...said] = line.split(' ').filter(word => word !== '');
          return [server, answerOf(Number(code), said)];
        }),
      ),
    };
  },
};

const codes = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

// The first four bytes of an answer: the question's number, flags, and in the last four bits the code.
function answerOf(code: number, said: readonly string[]) {
  const flags = Number(said[3]);
  if (code === 0 && said.length === 4 && Number.isInteger(flags))
    return { ok: true, says: codes[flags % 16] ?? `code ${flags % 16}` };
  return { ok: false, says: reasonOf(code, said.join(' ')) };
}
