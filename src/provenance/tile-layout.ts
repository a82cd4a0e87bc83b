/** C2SP tlog-tiles: hashes in a full tile, entries in a full bundle. */
export const tileWidth = 256;

/** What any static web server may publish; nothing in here names anybody. */
export const publicDirectory = 'public';
export const checkpointPath: string = `${publicDirectory}/checkpoint`;
/** The newest checkpoint with the cosignatures of enough witnesses. */
export const witnessedPath: string = `${publicDirectory}/witnessed`;
/** There is one as soon as the log's key was handed over once. */
export const firstHandOverPath: string = `${publicDirectory}/keys/1`;
export const vkeyPath: string = `${publicDirectory}/vkey`;
/** The committed layers and their salts: private, beside the log. */
export const openingsDirectory = 'openings';
export const journalDirectory = 'journal';

/** C2SP tlog-tiles: index 1234067 is `x001/x234/067`. */
export function indexPath(index: number): string {
  let text = String(index % 1000).padStart(3, '0');
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000))
    text = `x${String(rest % 1000).padStart(3, '0')}/${text}`;
  return text;
}

function widthSuffix(width: number): string {
  return width === tileWidth ? '' : `.p/${width}`;
}

export function tilePath(level: number, index: number, width: number): string {
  return `${publicDirectory}/tile/${level}/${indexPath(index)}${widthSuffix(width)}`;
}

export function bundlePath(index: number, width: number): string {
  return `${publicDirectory}/tile/entries/${indexPath(index)}${widthSuffix(width)}`;
}

/** One file for up to 256 openings, replaced as a whole while it grows. */
export function openingsPath(index: number): string {
  return `${openingsDirectory}/${indexPath(index)}`;
}

/** The directory of all partial versions of a tile or bundle, given the path of its full version. */
export function partialsOf(fullPath: string): string {
  return `${fullPath}.p`;
}

/** Complete hashes at a level of a tree: each spans 256^level entries. */
export function hashesAtLevel(size: number, level: number): number {
  return Math.floor(size / tileWidth ** level);
}

/** The width of a tile in a tree of this size; 0 when the tile does not exist. */
export function widthOf(size: number, level: number, index: number): number {
  return Math.max(0, Math.min(tileWidth, hashesAtLevel(size, level) - index * tileWidth));
}

/** How many levels of tiles a tree of this size has. */
export function levelCount(size: number): number {
  let levels = 0;
  while (hashesAtLevel(size, levels) > 0) levels++;
  return levels;
}
