import type { MediaSection } from '../sdp/index.ts';

/** Payload types of a section whose clock rates are read. */
const maxRates = 64;

/** RFC 8866 §6.6: `a=rtpmap:96 opus/48000/2`. Unreadable ones are left out: they only cost the jitter. */
export function clockRatesOf(section: MediaSection): [payloadType: number, hertz: number][] {
  const rates: [number, number][] = [];
  for (const { name, value } of section.attributes) {
    if (name !== 'rtpmap' || rates.length >= maxRates) continue;
    const space = value.indexOf(' ');
    const payloadType = Number(value.slice(0, space));
    const hertz = Number(value.slice(space + 1).split('/')[1]);
    if (Number.isInteger(payloadType) && payloadType < 128 && hertz >= 1_000 && hertz <= 1_000_000)
      rates.push([payloadType, hertz]);
  }
  return rates;
}
