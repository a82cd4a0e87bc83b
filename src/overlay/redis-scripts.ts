/**
 * Writes or removes one document if it still is the version that its writer read.
 * KEYS: documents, due times, version counter (one shard, one hash tag).
 * ARGV: key, expected version ('' = absent), new version ('' = take the next), 'put' | 'remove', due ('' = never), body.
 */
export const writeScript = `
local stored = redis.call('HGET', KEYS[1], ARGV[1])
local version = stored and string.sub(stored, 1, 16) or ''
if version ~= ARGV[2] then return 0 end
if ARGV[4] == 'remove' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
  return 1
end
local next = ARGV[3]
if next == '' then next = string.format('%016d', redis.call('INCR', KEYS[3])) end
redis.call('HSET', KEYS[1], ARGV[1], next .. ARGV[6])
if ARGV[5] == '' then
  redis.call('ZREM', KEYS[2], ARGV[1])
else
  redis.call('ZADD', KEYS[2], ARGV[5], ARGV[1])
end
return 1
`;

/** Takes a key out of an index term unless a later version has claimed the term again. KEYS: term. ARGV: key, version. */
export const forgetTermScript = `
local claimed = redis.call('ZSCORE', KEYS[1], ARGV[1])
if claimed and tonumber(claimed) <= tonumber(ARGV[2]) then
  return redis.call('ZREM', KEYS[1], ARGV[1])
end
return 0
`;
