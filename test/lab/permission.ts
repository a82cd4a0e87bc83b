import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Sandbox } from './sandbox.ts';

const packageOfProgram = {
  unshare: 'util-linux',
  ip: 'iproute2',
  nft: 'nftables',
  conntrack: 'conntrack',
  baresip: 'baresip-core',
  linphonec: 'linphone-cli',
} as const;

/** Why the lab cannot be built on this machine, and what to do about it; undefined when it can. */
export async function whyNoLab(): Promise<string | undefined> {
  const missing = Object.entries(packageOfProgram).filter(([program]) => !isInstalled(program));
  if (missing.length > 0) {
    const packages = missing.map(([, name]) => name).join(' ');
    return `${missing.map(([program]) => program).join(', ')} not installed: apt-get install --no-install-recommends ${packages}`;
  }
  try {
    const sandbox = await Sandbox.open();
    try {
      await sandbox.shell(
        'ip netns add try\nip netns exec try nft add table ip try\nip link add try netns try type veth peer name try2 netns try',
      );
    } finally {
      await sandbox.close();
    }
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return undefined;
}

function isInstalled(program: string): boolean {
  const directories = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  return directories.some((directory) => existsSync(join(directory, program)));
}
