/**
 * The Lua script of a claim.
 *
 * KEYS[1] is a hash of one action and partition. ARGV: offset, batch number with its generation, lifetime in seconds,
 * and the records of the batch: 16 bytes each, 12 of the entity's digest and 4 of its position.
 *
 * The hash contains the offset of each batch (`b:<batch>`), the number of records (`n`) and buckets of records (their
 * numbers). Packed records take a quarter of the memory that a field for each entity would take. The number of buckets
 * follows from the number of records, by linear hashing: when a bucket is added, one other is split, so that a bucket
 * holds 16 to 32 records however large the action is. Larger buckets would save little and make each claim write more
 * to the append-only file.
 *
 * Answers `{ 0, offset }` if the batch was seen at another offset. Otherwise it answers 1, and the index and the first
 * position of each record whose own position is not the first. So a batch without duplicates is one number.
 */
export const CLAIM = `
local RECORD, DIGEST, PER_BUCKET = 16, 12, 16
local key, offset, batch, records = KEYS[1], ARGV[1], 'b:' .. ARGV[2], ARGV[4]
local known = redis.call('HMGET', key, batch, 'n')
if known[1] and known[1] ~= offset then return { 0, known[1] } end
local count = tonumber(known[2] or '0')
local buckets = math.floor(count / PER_BUCKET) + 1

local byte, sub, search = string.byte, string.sub, string.find
local function numberAt(text, at)
  local a, b, c, d = byte(text, at, at + 3)
  return ((a * 256 + b) * 256 + c) * 256 + d
end
-- Divided by a power of two, a number leaves the same remainder as its last two bytes, as long as there are few buckets.
local function shortAt(text, at)
  local c, d = byte(text, at + 2, at + 3)
  return c * 256 + d
end
local hashAt = (count + #records) / PER_BUCKET < 32000 and shortAt or numberAt
-- The largest power of two that is not above n.
local function powerOf(n)
  local power = 1
  while power * 2 <= n do power = power * 2 end
  return power
end
local power = powerOf(buckets)
local function bucketOf(hash)
  local bucket = hash % (power * 2)
  if bucket >= buckets then return bucket - power end
  return bucket
end

local held, wanted, bucketAt = {}, {}, {}
for at = 1, #records, RECORD do
  local bucket = bucketOf(hashAt(records, at))
  bucketAt[at] = bucket
  if held[bucket] == nil then
    held[bucket] = ''
    wanted[#wanted + 1] = bucket
  end
end
if #wanted > 0 then
  local found = redis.call('HMGET', key, unpack(wanted))
  for i = 1, #wanted do held[wanted[i]] = found[i] or '' end
end

local changed = {}
local function find(bucket, digest)
  local at = 1
  while true do
    at = search(bucket, digest, at, true)
    if not at then return nil end
    if (at - 1) % RECORD == 0 then return at end
    at = at + 1
  end
end
local reply = { 1 }
local added = 0
for at = 1, #records, RECORD do
  local bucket = bucketAt[at]
  local there = find(held[bucket], sub(records, at, at + DIGEST - 1))
  if there then
    local first = numberAt(held[bucket], there + DIGEST)
    if first ~= numberAt(records, at + DIGEST) then
      reply[#reply + 1] = (at - 1) / RECORD
      reply[#reply + 1] = first
    end
  else
    held[bucket] = held[bucket] .. sub(records, at, at + RECORD - 1)
    changed[bucket] = true
    added = added + 1
  end
end

count = count + added
for new = buckets, math.floor(count / PER_BUCKET) do
  local low = powerOf(new)
  local old = new - low
  if held[old] == nil then held[old] = redis.call('HGET', key, old) or '' end
  local whole, stay, go = held[old], {}, {}
  for at = 1, #whole, RECORD do
    local part = hashAt(whole, at) % (low * 2) == new and go or stay
    part[#part + 1] = sub(whole, at, at + RECORD - 1)
  end
  held[old], held[new] = table.concat(stay), table.concat(go)
  changed[old], changed[new] = true, true
end

local fields = {}
if not known[1] then fields = { batch, offset } end
if added > 0 then
  fields[#fields + 1] = 'n'
  fields[#fields + 1] = count
end
for bucket in pairs(changed) do
  fields[#fields + 1] = bucket
  fields[#fields + 1] = held[bucket]
end
if #fields > 0 then redis.call('HSET', key, unpack(fields)) end
redis.call('EXPIRE', key, ARGV[3])
return reply
`;
