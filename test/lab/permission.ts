import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { LabNetwork } from './network.ts';

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
    await (await LabNetwork.build()).close();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return undefined;
}

function isInstalled(program: string): boolean {
  const directories = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'];
  return directories.some((directory) => existsSync(join(directory, program)));
}
