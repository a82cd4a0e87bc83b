export interface SdpLimits {
  readonly maxBytes: number;
  readonly maxLines: number;
  /** m-lines, those with port 0 included. */
  readonly maxMedia: number;
}

export const defaultSdpLimits: SdpLimits = { maxBytes: 16_384, maxLines: 1_024, maxMedia: 16 };
