// Machines are found where the user said, and what cannot be read is said.
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { findMachines, listening } from '../../src/io/find-machines.ts';
import { homeWith } from './ssh-rig.ts';

const never = new AbortController().signal;
const look = (source: string, files: Readonly<Record<string, string>> = {}) =>
  findMachines(source, { home: homeWith(files) }, never);

describe('ssh-config', () => {
  it('gives the names that are no patterns, with the address and port that ssh would take', async () => {
    const config = `Host k8s-cp cp
  HostName 192.168.0.10
Host k8s-worker1
  HostName 192.168.0.11
  Port 2222
Host *.example !x
  User nobody
Include other.conf
`;
    const { found, remarks } = await look('ssh-config', { config });
    expect(found).toEqual([
      { name: 'k8s-cp', address: '192.168.0.10', port: 22 },
      { name: 'cp', address: '192.168.0.10', port: 22 },
      { name: 'k8s-worker1', address: '192.168.0.11', port: 2222 },
    ]);
    expect(remarks.join()).toContain('includes other.conf, which was not read');
  });

  it('says which name no address is known of', async () => {
    const { found, remarks } = await look('ssh-config', { config: 'Host nobody.invalid\n' });
    expect(found).toEqual([]);
    expect(remarks).toEqual(['nobody.invalid has no IPv4 address that this computer knows']);
  });

  it('is nothing where there is no file', async () => {
    expect(await look('ssh-config')).toEqual({ found: [], remarks: [] });
  });
});

describe('known-hosts', () => {
  it('gives names and ports, each once, and says that hashed ones cannot be read', async () => {
    const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA';
    const known_hosts = `# mine
192.168.0.10,k8s-cp ${key}
192.168.0.10 ecdsa-sha2-nistp256 AAAA
[192.168.0.11]:2222 ${key}
|1|JfKTdBh7rNbXkVAQCRp4OQoPfmI=|USECr3SWf1JUPsms5AqfD5QfxkM= ${key}
@cert-authority *.example ${key}
`;
    const { found, remarks } = await look('known-hosts', { known_hosts });
    expect(found).toEqual([
      { name: undefined, address: '192.168.0.10', port: 22 },
      { name: undefined, address: '192.168.0.11', port: 2222 },
    ]);
    expect(remarks.join()).toMatch(/^1 entries of .*known_hosts are hashed/);
  });
});

describe('a subnet', () => {
  it('gives whoever takes a connection', async () => {
    const server = createServer(socket => socket.destroy());
    await new Promise<void>(resolve => server.listen(0, '127.0.0.2', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const found = await listening(['127.0.0.1', '127.0.0.2', '127.0.0.3'], port, never);
    await new Promise(resolve => server.close(resolve));
    expect(found).toEqual([{ name: undefined, address: '127.0.0.2', port }]);
  });

  it.each(['192.168.0.0/21', '192.168.0.0', 'sshconfig', '10.0.0.0/33', '300.0.0.0/24'])(
    'is refused where it is too big or none: %s',
    async source => {
      await expect(look(source)).rejects.toMatchObject({
        code: 'HL_USAGE',
        hint: expect.stringContaining('ssh-config'),
      });
    },
  );
});
