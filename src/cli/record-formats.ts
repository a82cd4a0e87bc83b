import { csvHeader, jsonValue, recordToCsv, type StoredRecord, TibetExporter } from '../provenance/index.ts';
import type { SigningKey } from '../tokens/index.ts';

/** Formats of one line a record. */
export type LineFormat = 'jsonl' | 'csv' | 'tibet';
/** `vcon` is a line for each call, `scitt` a sequence of CBOR items. */
export type RecordFormat = LineFormat | 'vcon' | 'scitt';

export const recordFormats: readonly RecordFormat[] = ['jsonl', 'csv', 'tibet', 'vcon', 'scitt'];

/** The lines of an export, with a first line where the format has one; `signer` signs TIBET tokens. */
export async function* recordLines(
  format: LineFormat,
  records: AsyncIterable<StoredRecord>,
  signer?: SigningKey,
): AsyncGenerator<string> {
  if (format === 'csv') yield csvHeader();
  const tibet = new TibetExporter(signer);
  for await (const record of records)
    if (format === 'csv') yield recordToCsv(record);
    else yield JSON.stringify(format === 'tibet' ? tibet.token(record) : recordJson(record));
}

/** A record as JSON: bytes become base64url. */
export function recordJson(record: StoredRecord): Readonly<Record<string, unknown>> {
  const { timeMs, ...rest } = record;
  const time = new Date(timeMs).toISOString();
  return Object(jsonValue({ ...rest, time })) as Record<string, unknown>;
}
