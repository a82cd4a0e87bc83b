import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { epochSeconds, systemClock } from '../base/index.ts';
import { decodeIdentityToken, renewIdentityToken } from '../tokens/index.ts';
import { claimAsAttribute } from './attest.ts';
import { addCommand, type CommonOptions, openContext } from './command.ts';
import { CliError } from './failure.ts';
import { formatAttributes } from './identity-attributes.ts';
import { mustFind, withOverlay } from './overlay-access.ts';
import type { Terminal } from './terminal.ts';

/** For stock phones, whose identities the gateway keeps; all others renew their own file. */
export function registerOverlayClaim(group: Command, terminal: Terminal): void {
  addCommand(group, {
    usage: 'claim <who> <file>',
    summary: 'let a stock phone show a statement that a third party has signed about it',
    example: 'overlay claim jis:desk-7 employee.claim',
  }).action(async (who: string, file: string, options: CommonOptions) => {
    const { output, config } = openContext(terminal, options);
    const claim = claimAsAttribute(readFileSync(file, 'utf8'));
    await withOverlay(config(), async (overlay) => {
      const { fingerprint, name, token: bytes } = await mustFind(overlay, who);
      const key = await overlay.custodialKey(fingerprint);
      if (key === undefined)
        throw new CliError(
          'refused',
          `${name} holds its own key`,
          'its owner adds the claim with: tibet-sip identity renew FILE --claim CLAIM',
        );
      const token = decodeIdentityToken(bytes);
      const attributes = [...token.attributes.filter((known) => known.name !== claim.name), claim];
      const { notBefore, expires } = token;
      // Two in one second would have the same age, and the first would stay.
      const now = Math.max(epochSeconds(systemClock), token.issuedAt + 1);
      const renewed = renewIdentityToken(token, { key, notBefore, expires, now, attributes });
      const result = await overlay.enrol(renewed, { policy: 'open', intent: `show ${claim.name}` });
      if (result.kind === 'refused') throw result.error;
      output.document({ name, fingerprint, claims: attributes.length }, [
        ['name', name],
        ['fingerprint', fingerprint],
        ['shows', formatAttributes(attributes)],
      ]);
    });
  });
}
