-- The load for wrk: each line of a file is sent once, by the officers in turn, and only answers
-- that hold what was asked for are counted.
--
--   wrk ... URL -- REQUESTS TOKENS SIGN [UNWANTED ...]
--
-- REQUESTS  a file of JSON bodies, one a line; line n is sent with token n modulo their number
-- TOKENS    a file of bearer tokens, one a line
-- SIGN      text that a good answer holds; UNWANTED: texts that it does not hold

local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  requests = assert(io.open(args[1]))
  tokens, unwanted = {}, {}
  for line in io.lines(args[2]) do
    tokens[#tokens + 1] = "Bearer " .. line
  end
  sign = args[3]
  for place = 4, #args do
    unwanted[#unwanted + 1] = args[place]
  end
  headers = { ["Content-Type"] = "application/json", ["Host"] = wrk.headers["Host"] }
  taken, good, bad, first_bad, spent = 0, 0, 0, "", 0
end

function request()
  local body = requests:read("*l")
  if body == nil then
    spent = 1
    wrk.thread:stop()
    body = "{}"
  end
  headers["Authorization"] = tokens[taken % #tokens + 1]
  taken = taken + 1
  return wrk.format("POST", nil, headers, body)
end

local function holds(status, body)
  if status ~= 200 or not body:find(sign, 1, true) then
    return false
  end
  for _, text in ipairs(unwanted) do
    if body:find(text, 1, true) then
      return false
    end
  end
  return true
end

function response(status, _, body)
  if holds(status, body) then
    good = good + 1
  else
    bad = bad + 1
    if bad == 1 then
      first_bad = status .. " " .. body:sub(1, 400)
    end
  end
end

function done(summary, latency, _)
  local good_in_all, bad_in_all = 0, 0
  for _, thread in ipairs(threads) do
    good_in_all = good_in_all + thread:get("good")
    bad_in_all = bad_in_all + thread:get("bad")
    if thread:get("spent") == 1 then
      io.write("SPENT\n")
    end
    if thread:get("first_bad") ~= "" then
      io.write("BAD ", thread:get("first_bad"), "\n")
    end
  end
  local e = summary.errors
  io.write(string.format(
    'FIGURES {"seconds": %.6f, "good": %d, "bad": %d, "broken": %d, "p50_ms": %.3f, ' ..
    '"p90_ms": %.3f, "p99_ms": %.3f, "most_ms": %.3f}\n',
    summary.duration / 1e6, good_in_all, bad_in_all, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50) / 1000, latency:percentile(90) / 1000,
    latency:percentile(99) / 1000, latency.max / 1000))
end
