// Charts out of a registry: how Helm is told of one, with whose trust and login, and what it means when it does not get the chart.
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { explanationOf } from '../../src/engine/machine.ts';
import type { Registry } from '../../src/model/cluster.ts';
import type { Chart } from '../../src/model/layers.ts';
import { registryFiles } from '../../src/phases/registries.ts';
import { chartScript, registriesFolder } from '../../src/resources/chart-source.ts';
import { explained } from '../../src/resources/release-script.ts';
import { dash } from '../dash.ts';
import { apply, scratch, standIns } from './rig.ts';

const chartIn = (url: string): Chart => ({ name: 'web', version: '1.0.0+build.3', source: { kind: 'oci', url } });
const hub = 'oci://registry-1.docker.io/bitnamicharts/';
const plain: Registry = { host: 'ghcr.io', mirrors: [], ca: undefined, credentials: undefined };
const credentials = { username: 'me', password: { kind: 'env', name: 'X' } } as const;

/** On a machine where homelab wrote what containerd is told about these. */
function asked(url: string, registries: readonly Registry[]) {
  const folder = scratch();
  const moved = { [registriesFolder]: `${folder}/certs.d` };
  for (const { host } of registries) mkdirSync(`${folder}/certs.d/${host}`, { recursive: true });
  for (const each of registryFiles(registries)) {
    if (each.kind === 'resource' && each.key.startsWith('file:')) {
      apply(each, { moved, first: 'chown() { :; }\nLOGIN=hunter2 LOGIN_0=mirrors\n' });
    }
  }
  const script = chartScript(chartIn(url), undefined).replaceAll(registriesFolder, `${folder}/certs.d`);
  const bin = standIns(folder, { helm: `echo "\${SSL_CERT_FILE:-}" "$@"\necho chart >${folder}/chart/web-1.tgz` });
  const { code, stdout, stderr } = dash(
    `set -eu\nhelm=helm work=${folder}\nHELM_CONFIG_HOME=${folder}/config\n${script}cat "$@"\n`,
    { bin },
  );
  expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: 'chart\n' });
  const config = `${folder}/config/registry/config.json`;
  return {
    said: stderr.replaceAll(folder, '').trim(),
    logins: existsSync(config) ? JSON.parse(readFileSync(config, 'utf8')).auths : {},
  };
}

describe('a registry', () => {
  it('is asked for the chart, by its version, and Helm is given the file', () => {
    const { said, logins } = asked('oci://ghcr.io/org/charts', []);
    expect(said).toBe('pull oci://ghcr.io/org/charts/web --version 1.0.0+build.3 --destination /chart');
    expect(logins).toEqual({});
  });

  it('is logged in to as containerd is, under the name that Helm looks up', () => {
    const login = Buffer.from('me:hunter2').toString('base64');
    expect(asked('oci://ghcr.io/org', [{ ...plain, credentials }]).logins).toEqual({ 'ghcr.io': { auth: login } });
    expect(asked(hub, [{ ...plain, host: 'docker.io', credentials }]).logins).toEqual({
      'https://index.docker.io/v1/': { auth: login },
    });
  });

  it('gets no login of its mirror', () => {
    const mirror = { ...plain, host: 'mirror.test', credentials };
    const { logins } = asked('oci://ghcr.io/org', [{ ...plain, mirrors: ['https://mirror.test'] }, mirror]);
    expect(logins).toEqual({});
  });

  it('is trusted by its own CA where it has one', () => {
    expect(asked('oci://ghcr.io/org', [{ ...plain, ca: 'PEM\n' }]).said).toMatch(
      /^\/certs\.d\/ghcr\.io\/ca\.crt pull /,
    );
  });
});

// What Helm printed, asked for a chart of a registry on loopback: 3.22.0 and 4.3.1 alike, 3.17.4 as versions before 3.18. Names are put in
// their place.
const manifest = 'https://ghcr.io/v2/org/web/manifests/1.0.0_build.3';
const source = 'Error: failed to perform "FetchReference" on source:';
const release = { name: 'web', namespace: 'blog', chart: chartIn('oci://ghcr.io/org') };
const absent = 'there is no chart web 1.0.0+build.3 in its repository';
const shut = 'ghcr.io does not let us in: chart web 1.0.0+build.3 needs a login, or is not there';
const away = 'the repository of chart web cannot be reached';
const login = 'containerd.registries["ghcr.io"].credentials';

it.each([
  ['no such tag', `${source} ghcr.io/org/web:1.0.0_build.3: not found`, absent, 'another version'],
  [
    'a manifest without its archive',
    `Error: failed to perform "Fetch" on source: sha256:${'6'.repeat(64)}: not found`,
    absent,
    'another version',
  ],
  [
    'no token for a stranger',
    `${source} GET "${manifest}": GET "https://ghcr.io/token?scope=repository%3Aorg%2Fweb%3Apull&service=x": response status code 403: denied: requested access to the resource is denied`,
    shut,
    login,
  ],
  [
    'a token that is not enough',
    `${source} GET "${manifest}": response status code 401: unauthorized: authentication required`,
    shut,
    login,
  ],
  ['a password wanted', `${source} GET "${manifest}": basic credential not found`, shut, login],
  [
    'nobody listens',
    `${source} Get "${manifest}": dial tcp 192.0.2.1:443: connect: connection refused`,
    away,
    '--bundle DIR',
  ],
  [
    'nobody knows the name',
    `${source} Get "${manifest}": dial tcp: lookup ghcr.io on 192.0.2.53:53: no such host`,
    away,
    'proxy in the inventory',
  ],
  [
    'the proxy is away',
    `${source} Get "${manifest}": proxyconnect tcp: dial tcp 127.0.0.1:9: connect: connection refused`,
    away,
    'proxy in the inventory',
  ],
  [
    'nobody vouches for it',
    `${source} Get "${manifest}": tls: failed to verify certificate: x509: certificate signed by unknown authority`,
    away,
    'containerd.registries["ghcr.io"].ca',
  ],
  ['it hangs up', `${source} Get "${manifest}": EOF`, away, '--bundle DIR'],
  [
    'it is overloaded',
    `${source} GET "${manifest}": response status code 503: unavailable: service unavailable`,
    away,
    '--bundle DIR',
  ],
  [
    'it has had enough of us',
    `${source} GET "${manifest}": response status code 429: toomanyrequests: You have reached your pull rate limit`,
    away,
    '--bundle DIR',
  ],
  ['no such tag, before 3.18', 'Error: ghcr.io/org/web:1.0.0_build.3: not found', absent, 'another version'],
  [
    'a manifest without its archive, before 3.18',
    `Error: failed to copy: httpReadSeeker: failed open: could not fetch content descriptor sha256:${'6'.repeat(64)} (application/vnd.cncf.helm.chart.content.v1.tar+gzip) from remote: not found`,
    absent,
    'another version',
  ],
  [
    'no token for a stranger, before 3.18',
    'Error: failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://ghcr.io/token?scope=repository%3Aorg%2Fweb%3Apull&service=x: 403 Forbidden',
    shut,
    login,
  ],
  [
    'a token that is not enough, before 3.18',
    `Error: unexpected status from HEAD request to ${manifest}: 401 Unauthorized`,
    shut,
    login,
  ],
  [
    'a password wanted, before 3.18',
    'Error: pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials',
    shut,
    login,
  ],
  [
    'nobody vouches for it, before 3.18',
    `Error: failed to do request: Head "${manifest}": tls: failed to verify certificate: x509: certificate signed by unknown authority`,
    away,
    'containerd.registries["ghcr.io"].ca',
  ],
  [
    'it is overloaded, before 3.18',
    `Error: unexpected status from HEAD request to ${manifest}: 503 Service Unavailable`,
    away,
    '--bundle DIR',
  ],
])('%s: what it means, and what to type', (_, said, message, hint) => {
  const told = explanationOf(explained(release), `Pulled: something\n${said}\n`);
  expect(told?.message).toBe(message);
  expect(told?.hint).toContain(hint);
});
