// A control plane's own processes: what answers, what its files say, and the last words of what ended. Asked without its API server.
import { load } from 'js-yaml';
import { z } from 'zod';
import { redacted } from '../redact.ts';
import { iso, type Look, linesOf, sectionsOf } from './look.ts';

const components = ['kube-apiserver', 'etcd', 'kube-controller-manager', 'kube-scheduler'];

export const health: Look = {
  id: 'health',
  lane: 'daemons',
  facts: ['health', 'listening'],
  // What a frozen process listens on still takes connections: only an answer counts. Five seconds: a busy machine is no broken one.
  script:
    () => `say() { printf '%s %s %s\\n' "$1" "$2" "$(printf %s "$3" | tr -d '\\r' | tr '\\n' '\\037' | cut -c -1500)"; }
plain() {
  said=$(timeout 5 bash -c 'exec 3<>"/dev/tcp/$1/$2" && printf "GET %s HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n" "$3" >&3 && cat <&3' - "$2" "$3" "$4" 2>&1) && code=0 || code=$?
  say "$1" "$code" "$said"
}
secure() {
  said=$(printf 'GET %s HTTP/1.0\\r\\n\\r\\n' "$4" | timeout 5 openssl s_client -quiet -connect "$2:$3" 2>&1) && code=0 || code=$?
  say "$1" "$code" "$said"
}
flag() { sed -n "s|^ *- --$2=||p" "/etc/kubernetes/manifests/$1.yaml" 2>/dev/null | head -n 1; }
if [ -e /var/lib/kubelet/config.yaml ]; then
  port=$(sed -n 's/^healthzPort: *//p' /var/lib/kubelet/config.yaml)
  plain kubelet 127.0.0.1 "\${port:-10248}" /healthz &
fi
if [ -e /etc/kubernetes/manifests/kube-apiserver.yaml ] || [ -e /etc/kubernetes/pki/apiserver.crt ]; then
  address=$(flag kube-apiserver advertise-address)
  port=$(flag kube-apiserver secure-port)
  secure apiserver "\${address:-127.0.0.1}" "\${port:-6443}" '/readyz?verbose' &
  secure controller-manager 127.0.0.1 10257 /healthz &
  secure scheduler 127.0.0.1 10259 /healthz &
fi
if [ -e /etc/kubernetes/manifests/etcd.yaml ] || [ -e /etc/kubernetes/pki/etcd/server.crt ]; then
  url=$(flag etcd listen-metrics-urls)
  url=\${url%%,*}
  url=\${url#http://}
  plain etcd "$(h=\${url%:*}; [ -n "$h" ] && [ "$h" != 0.0.0.0 ] && echo "$h" || echo 127.0.0.1)" "$(p=\${url##*:}; echo "\${p:-2381}")" /health &
fi
if [ -S /run/containerd/containerd.sock ] || command -v containerd >/dev/null; then
  said=$(timeout 5 ctr plugins ls 2>&1) && code=0 || code=$?
  say containerd "$code" "$(printf '%s\\n' "$said" | if [ "$code" = 0 ]; then awk '$2 ~ /^(cri|runtime)$/ && $1 ~ /cri/ { print $1, $2, $NF }'; else tail -n 1; fi)"
fi
wait
echo '@listening'
ss -Hltn | awk '{ sub(/.*:/, "", $4); print $4 }' | sort -un
`,
  parse(output) {
    const [answers = '', ports] = output.split('@listening\n');
    if (ports === undefined) throw new Error('the answer is cut off');
    return {
      health: Object.fromEntries(
        linesOf(answers).map(line => {
          const [name = '', code = '', ...said] = line.split(' ');
          const text = said.join(' ').replaceAll('\u001f', '\n');
          return [name, name === 'containerd' ? runtimeAnswer(Number(code), text) : answerOf(Number(code), text)];
        }),
      ),
      listening: linesOf(ports).map(Number).filter(Number.isInteger),
    };
  },
};

function answerOf(code: number, said: string) {
  const [, status] = /HTTP\/1\.\d (\d{3})/.exec(said) ?? [];
  if (status === undefined) {
    if (code === 124) return { ok: false, says: 'timed out' };
    if (/Connection refused|errno=111/.test(said)) return { ok: false, says: 'refused' };
    const last = linesOf(said).at(-1)?.trim() ?? '';
    return { ok: false, says: redacted(last.slice(0, 300)) || 'no answer' };
  }
  const body = said.slice(said.indexOf('\n\n') + 2).trim();
  // Who is not let in was answered all the same.
  if (status === '401' || status === '403') return { ok: true, says: `HTTP ${status}: it answers only who it knows` };
  const failed = linesOf(body).filter(line => line.startsWith('[-]'));
  const says = redacted(
    (failed.join('; ') || (body.startsWith('[+]') ? 'ok' : (linesOf(body).at(-1) ?? ''))).slice(0, 300),
  );
  const isWell = status === '200' && !/"health":\s*"?false/.test(body);
  return { ok: isWell, says: isWell ? says : status === '200' ? says : `HTTP ${status}: ${says}` };
}

// 'io.containerd.grpc.v1 cri ok': a containerd without its CRI part answers, and is of no use to a kubelet.
function runtimeAnswer(code: number, said: string) {
  if (code === 124) return { ok: false, says: 'timed out' };
  if (code !== 0) return { ok: false, says: redacted(said.trim().slice(0, 300)) };
  const plugins = linesOf(said).map(line => line.split(' '));
  const bad = plugins.filter(([, , state]) => state !== 'ok');
  if (plugins.length === 0) return { ok: false, says: 'it has no CRI plugin' };
  return bad.length > 0
    ? { ok: false, says: bad.map(([type, id, state]) => `plugin ${type}.${id}: ${state}`).join('; ') }
    : { ok: true, says: 'ok' };
}

export const manifests: Look = {
  id: 'manifests',
  lane: 'quick',
  facts: ['manifests'],
  script: () => `for path in /etc/kubernetes/manifests/*; do
  [ -f "$path" ] || continue
  echo "@manifest \${path##*/}"
  head -c 100000 "$path"
  echo
done
`,
  parse: output => ({
    manifests: sectionsOf(output)
      .filter(({ word }) => word === 'manifest')
      .map(({ rest, body }) => ({ name: rest.replace(/\.ya?ml$/, ''), trouble: troubleOf(body) })),
  }),
};

const staticPod = z.object({
  apiVersion: z.literal('v1'),
  kind: z.literal('Pod'),
  metadata: z.object({ name: z.string().min(1) }),
  spec: z.object({ containers: z.array(z.object({ name: z.string(), image: z.string() })).min(1) }),
});

// js-yaml's own message quotes the file around the place.
const yamlError = z.object({ reason: z.string(), mark: z.object({ line: z.number() }).optional() });

function troubleOf(text: string): string {
  try {
    const [issue] = staticPod.safeParse(load(text)).error?.issues ?? [];
    return issue ? `${issue.path.join('.') || 'the file'}: ${issue.message}` : '';
  } catch (error) {
    const { data } = yamlError.safeParse(error);
    return data ? `${data.reason}${data.mark ? ` (line ${data.mark.line + 1})` : ''}` : 'no YAML';
  }
}

export const controlPlane: Look = {
  id: 'control-plane',
  lane: 'runtime',
  facts: ['controlPlane'],
  // The kubelet's links name the container, containerd's own note says how it ended: both are there while neither runs.
  script: () => `for name in ${components.join(' ')}; do
  for link in /var/log/containers/"$name"-*_kube-system_"$name"-*.log; do
    [ -L "$link" ] || continue
    id=\${link##*-}
    id=\${id%.log}
    echo "@container $name"
    note=/var/lib/containerd/io.containerd.grpc.v1.cri/containers/$id/status
    if [ -r "$note" ]; then cat "$note"; echo; else echo '{}'; fi
    pid=$(sed -n 's/.*"Pid":\\([1-9][0-9]*\\),.*/\\1/p' "$note" 2>/dev/null) || pid=
    if [ -n "$pid" ] && [ -d "/proc/$pid" ]; then echo alive; else echo gone; fi
    tail -n 10 "$link" 2>/dev/null | cut -c -500 || true
  done
done
`,
  parse(output) {
    const all = sectionsOf(output)
      .filter(({ word }) => word === 'container')
      .map(({ rest: name, body }) => containerOf(name, linesOf(body)));
    return {
      controlPlane: components.flatMap(name =>
        all
          .filter(each => each.name === name)
          .sort((one, other) => other.createdAt - one.createdAt)
          .slice(0, 1)
          .map(({ createdAt: _, ...each }) => each),
      ),
    };
  },
};

const note = z.object({
  CreatedAt: z.number().default(0),
  StartedAt: z.number().default(0),
  FinishedAt: z.number().default(0),
  ExitCode: z.number().default(0),
});

function containerOf(name: string, [json = '', alive = '', ...lines]: readonly string[]) {
  const { CreatedAt, StartedAt, FinishedAt, ExitCode } = note.parse(JSON.parse(json));
  const state =
    FinishedAt > 0
      ? 'exited'
      : alive === 'alive'
        ? 'running'
        : StartedAt === 0 && CreatedAt > 0
          ? 'created'
          : 'unknown';
  return {
    name,
    createdAt: CreatedAt,
    state,
    exitCode: ExitCode,
    finishedAt: FinishedAt > 0 ? iso(FinishedAt / 1e6) : '',
    // '2026-11-22T16:23:29.1Z stderr F text'.
    lastLines: lines.map(line => redacted(line.replace(/^\S+ (stdout|stderr) [FP] /, ''))),
  };
}
