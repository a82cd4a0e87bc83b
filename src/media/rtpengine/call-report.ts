import type { MediaParty, MediaReport, StreamReport } from '../engine.ts';
import type { Bencoded, BencodedDictionary } from './bencode.ts';

const parties: readonly MediaParty[] = ['caller', 'callee'];

/** What a reply to `query` says of a call: of each party and m-line, what came from it in RTP. */
export function callReport(body: BencodedDictionary): MediaReport {
  const tags = dictionary(body.get('tags'));
  const sources = dictionary(body.get('SSRC'));
  const streams: StreamReport[] = [];
  for (const from of parties)
    for (const media of list(dictionary(tags?.get(from))?.get('medias'))) {
      const report = streamReport(from, dictionary(media), sources);
      if (report !== undefined) streams.push(report);
    }
  return { streams };
}

function streamReport(
  from: MediaParty,
  media: BencodedDictionary | undefined,
  sources: BencodedDictionary | undefined,
): StreamReport | undefined {
  const stream = dictionary(list(media?.get('streams'))[0]);
  const stats = dictionary(stream?.get('stats'));
  if (media === undefined || stats === undefined) return undefined;
  const ssrc = stream?.get('SSRC');
  const source = typeof ssrc === 'number' ? sources?.get(`${ssrc}`) : undefined;
  const average = dictionary(dictionary(source)?.get('average'));
  const jitter = average?.get('jitter');
  const kind = media.get('type');
  return {
    index: Math.max(0, count(media.get('index')) - 1),
    kind: typeof kind === 'string' ? kind : '',
    from,
    packets: count(stats.get('packets')),
    bytes: count(stats.get('bytes')),
    lost: undefined,
    jitterMs: typeof jitter === 'number' ? jitter : undefined,
    moves: undefined,
    dropped: count(stats.get('errors')),
  };
}

function dictionary(value: Bencoded | undefined): BencodedDictionary | undefined {
  return value instanceof Map ? value : undefined;
}

function list(value: Bencoded | undefined): readonly Bencoded[] {
  return Array.isArray(value) ? value : [];
}

function count(value: Bencoded | undefined): number {
  return typeof value === 'number' ? value : 0;
}
