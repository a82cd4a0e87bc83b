import {
  type Device,
  type EndpointOptions,
  localDevice,
  signEndpointRecord,
} from '../../src/overlay/index.ts';
import { sampleIdentity } from './samples.ts';

/** The one public address of a carrier-grade NAT. */
export const sharedAddress = '203.0.113.1';

/** A port of it, as `register` takes it. */
export const at = (port: number, more: Partial<EndpointOptions> = {}): EndpointOptions => ({
  ip: sharedAddress,
  port,
  behindNat: true,
  capabilities: ['mqtt'],
  ...more,
});

export interface MovingDevice extends Device {
  /** Its signed record for another port. */
  move(sequence: bigint, port: number, seconds?: number): Uint8Array;
}

/** A device with its own key under a name, which signs endpoint records as it moves. */
export function ownDevice(name: string, nowMs: () => number): MovingDevice {
  const { key, token } = sampleIdentity(name);
  return {
    ...localDevice(token.bytes, key),
    move: (sequence, port, seconds = 3_600) => {
      const issuedAt = Math.floor(nowMs() / 1000);
      return signEndpointRecord(key, {
        fingerprint: token.fingerprint,
        sequence,
        issuedAt,
        expires: issuedAt + seconds,
        address: sharedAddress,
        port,
        behindNat: true,
        capabilities: ['mqtt'],
      });
    },
  };
}
