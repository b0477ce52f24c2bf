-- One key's account: what `tidegate_limit::global::Owner` does, in one atomic step at the server.
-- A hash: `at` (arrival time of the bucket, or end of a quota's period, microseconds), `u` (used of a
-- quota), `x` (exact until), `s` (time that came back unused before the bucket was used again: from, to),
-- and one field a node. Times are the server's; spans come from the nodes.
local node, emission, burst = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local left_us, near = tonumber(ARGV[4]) * 1000, tonumber(ARGV[5])
local life, used, unheard = ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
local span, late, offered = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local has, ask, must = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14])
local active_us, sync_us, peers = tonumber(ARGV[15]), tonumber(ARGV[16]), tonumber(ARGV[17])
local silent_list = ARGV[18]

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local quota = left_us > 0
local all = redis.call('HGETALL', KEYS[1])
local at, spent, exact, nodes = 0, 0, 0, {}
local spare_from, spare_to = 0, 0
for i = 1, #all, 2 do
  local name, value = all[i], all[i + 1]
  if name == 'at' then at = tonumber(value)
  elseif name == 'u' then spent = tonumber(value)
  elseif name == 'x' then exact = tonumber(value)
  elseif name == 's' then
    local from, to = string.match(value, '([^ ]+) ([^ ]+)')
    spare_from, spare_to = tonumber(from), tonumber(to)
  else
    local f = {}
    for word in string.gmatch(value, '[^ ]+') do f[#f + 1] = word end
    nodes[name] = { life = f[1], total = tonumber(f[2]), rate = tonumber(f[3]), steady = tonumber(f[4]),
      seen = tonumber(f[5]), held = tonumber(f[6]), till = tonumber(f[7]), share = tonumber(f[8]),
      from = tonumber(f[9]), paid = tonumber(f[10]) }
  end
end
if quota and at <= now then at, spent = now + left_us, 0 end

-- Nodes that do not report at all go on using their share.
local lost, gone, parts = 0, active_us, 0
for name, n in pairs(nodes) do
  n.silent = string.find(silent_list, name, 1, true) ~= nil
  if n.silent then
    local alone = now - math.max(n.from, n.seen)
    local part = alone * n.share
    n.from, n.paid, lost = now, n.paid + part, lost + n.share
    gone, parts = math.max(gone, alone), parts + part
  elseif n.seen + 10 * active_us < now then
    nodes[name] = nil
    redis.call('HDEL', KEYS[1], name)
  end
end
if parts > 0 and not quota then at = math.max(at, now - gone) + parts end

-- What this node used since it was last heard.
local n, charge = nodes[node], 0
if span > 0 then
  local rate = offered * 1000000 / math.max(span, 1000)
  if not n then
    n = { life = life, total = used, rate = rate, steady = rate, share = 0, from = now, paid = 0, held = 0, till = 0 }
    nodes[node], charge = n, unheard
  else
    n.rate = n.rate + (rate - n.rate) * 0.5
    n.steady = n.steady + (rate - n.steady) * 0.05 * math.min(math.max(span / sync_us, 1), 10)
    if n.life ~= life then charge = unheard else
      charge = math.max(used - n.total - math.floor(n.paid / emission), 0)
      used = math.max(used, n.total)
    end
    n.life, n.total, n.paid = life, used, 0
  end
  n.held, n.seen, n.till = has, now, now + 2 * sync_us
end
-- From here on the bucket is used. What came back unused until now is no longer in it, but a node that was
-- alone meanwhile and reports later may have used just that.
local function lift()
  if at < now then spare_from, spare_to, at = at, now, now end
end
if charge > 0 then
  if quota then spent = spent + charge
  else
    local gathered, price = math.max(span, late), charge * emission
    local from = now - gathered
    if gathered > active_us then
      local spare = math.min(math.max(spare_to - math.max(spare_from, from), 0), price)
      spare_to, price = spare_to - spare, price - spare
    end
    if price > 0 then at = math.max(at, from) + price end
  end
end
-- A node that was alone goes by its share until it has heard from here a few times.
if late > active_us and unheard > 0 and not quota then
  local ahead = math.floor(unheard * 3 * sync_us / late)
  if ahead > 0 then lift() end
  at = at + ahead * emission
  if n then n.paid = n.paid + ahead * emission end
end
local fill = burst * emission
local demand, active, held, steady = 0, 0, 0, 0
for _, n in pairs(nodes) do
  if n.seen + active_us > now then demand, active = demand + n.rate, active + 1 end
  if n.till > now then held = held + n.held end
  steady = steady + n.steady
end
local function left()
  if quota then return math.max(burst - spent, 0) end
  local there = math.floor((now + fill - math.max(at, now)) / emission)
  return math.max(math.min(there, math.floor(burst * math.max(1 - lost, 0)) - held), 0)
end
local function spend(tokens)
  if tokens == 0 then return end
  if quota then spent = spent + tokens else
    lift()
    at = at + tokens * emission
  end
end

local granted = math.min(left(), must)
spend(granted)
local leased = 0
if ask > 0 and n then
  local most = math.min(math.max(math.floor(0.5 * sync_us / emission / math.max(active, 1)), 4), math.floor(burst / 2))
  leased = math.max(math.min(ask, most - has, left()), 0)
  spend(leased)
  n.held, n.till = has + leased, now + 3 * sync_us
  held = held + leased
end

local limit = 1000000 / emission
if near > 0 and demand > near * limit then exact = now + 10000000 end
limit = limit * math.max(1 - lost, 0)
local there = left()
local target = math.max(limit + (there - burst / 2) * 2, limit / 2)
local admit = 1
if demand > target then admit = target / demand end
local even = 0.1 / math.max(peers, 1)
local share = even
if n then
  if steady > 0 then share = share + 0.9 * n.steady / steady end
  -- Nobody gets what others still hold.
  local free, known = 1, 0
  for _, other in pairs(nodes) do
    known = known + 1
    if other ~= n then free = free - other.share end
  end
  share = math.min(share, math.max(free - even * math.max(peers - known, 0), 0))
  n.share = share
  redis.call('HSET', KEYS[1], node, string.format('%s %.0f %.3f %.3f %.0f %.0f %.0f %.6f %.0f %.0f',
    n.life, n.total, n.rate, n.steady, n.seen or now, n.held, n.till, n.share, n.from, n.paid))
end
for name, other in pairs(nodes) do
  if other.silent then
    redis.call('HSET', KEYS[1], name, string.format('%s %.0f %.3f %.3f %.0f %.0f %.0f %.6f %.0f %.0f', other.life,
      other.total, other.rate, other.steady, other.seen, other.held, other.till, other.share, other.from, other.paid))
  end
end
redis.call('HSET', KEYS[1], 'at', string.format('%.3f', at), 'u', string.format('%.0f', spent), 'x', string.format('%.0f', exact),
  's', string.format('%.0f %.0f', spare_from, spare_to))
redis.call('PEXPIRE', KEYS[1], math.ceil(math.max((at - now) / 1000, 0)) + 10000)

local wait = 0
if there == 0 then
  if quota then wait = at - now else wait = math.max(math.max(at, now) + emission - now - fill, 1000) end
end
return { granted, leased, there, math.min(math.ceil(wait), 4294967295), math.floor(admit * 65535),
  math.floor(math.min(share, 1) * 65535), (exact > now) and 1 or 0 }
