// What the CDN look makes of routes and of what curl prints: curl is a stand-in, the headers are of the form that Cloudflare documents.
import { describe, expect, it } from 'vitest';
import { edgeScript, readEdge } from '../../../src/doctor/looks/edge.ts';
import { listsOf, readItems } from '../../../src/doctor/objects/read.ts';
import { dash } from '../../dash.ts';
import { scratch, standIns } from '../../resources/rig.ts';

const route = (gateways: readonly string[], ...hosts: readonly string[]) => ({
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: hosts.join('-').slice(0, 20), namespace: 'blog' },
  spec: { gateways, hosts, http: [] },
});
const listsWith = (...routes: readonly object[]) =>
  listsOf(new Map(readItems({ kind: 'List', items: routes }, 'virtualservices', 'test')), 'not asked');
const hit = 'HTTP/2 200\\r\\ncf-cache-status: HIT\\r\\nAge: 3600\\r\\n\\r\\n';

function ask(curl: string, ...routes: readonly object[]) {
  return readEdge(dash(edgeScript(listsWith(...routes)) ?? '', { bin: standIns(scratch(), { curl }) }));
}

describe('a look at the CDN', () => {
  it('tells what it answers for each public host of a gateway', () => {
    const curl = `case $* in *blog.example.org/) printf '${hit}' ;; *) printf 'HTTP/2 200\\r\\nserver: istio\\r\\n' ;; esac`;
    expect(ask(curl, route(['blog/gateway'], 'blog.example.org', 'api.example.org'))).toEqual([
      { host: 'blog.example.org', cache: 'HIT', ageSeconds: 3600 },
      { host: 'api.example.org', cache: '', ageSeconds: 0 },
    ]);
  });

  it('leaves out a host that does not answer', () => {
    expect(ask('exit 28', route(['blog/gateway'], 'blog.example.org'))).toEqual([]);
  });

  it('asks nobody about names inside the mesh, wildcards, and what is no host name', () => {
    const routes = [
      route(['mesh'], 'www.example.org'),
      route(
        ['blog/gateway'],
        '*.example.org',
        'was',
        'was.blog.svc',
        'was.blog.svc.cluster.local',
        '-o/etc/x',
        "a.b'; reboot",
      ),
    ];
    expect(edgeScript(listsWith(...routes))).toBeUndefined();
  });

  it('is not made where routes were not seen, and says nothing where curl is missing', () => {
    expect(edgeScript(listsOf(new Map(), 'forbidden'))).toBeUndefined();
    const script = edgeScript(listsWith(route(['g'], 'blog.example.org'))) ?? '';
    expect(readEdge(dash(script.replace('command -v curl', 'command -v no-such-curl')))).toEqual([]);
  });

  it('asks four hosts at most', () => {
    const hosts = Array.from({ length: 9 }, (_, index) => `h${index}.example.org`);
    expect(edgeScript(listsWith(route(['g'], ...hosts)))?.match(/https:/g)).toHaveLength(4);
  });
});
