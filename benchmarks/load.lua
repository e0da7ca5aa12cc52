-- A load for wrk. Arguments after `--` on its command line:
--   place SEED          place orders, each with a unique id
--   read SEED FILE      get paths chosen at random from the lines of FILE

local next_request

local function placing()
  local head = "POST /orders HTTP/1.1\r\nHost: " .. wrk.headers["Host"]
    .. "\r\nContent-Type: application/json\r\nContent-Length: "
  local nonce, number = math.random(0, 2 ^ 31 - 1), 0
  return function()
    number = number + 1
    local body = string.format(
      '{"id":"%08x-%08x-%08x","amount":%d.%02d}',
      math.random(0, 2 ^ 31 - 1), nonce, number, math.random(0, 99999), math.random(0, 99)
    )
    return head .. #body .. "\r\n\r\n" .. body
  end
end

local function reading(file)
  local requests = {}
  for path in io.lines(file) do
    requests[#requests + 1] = wrk.format("GET", path)
  end
  return function()
    return requests[math.random(#requests)]
  end
end

function init(arguments)
  math.randomseed(tonumber(arguments[2]))
  next_request = arguments[1] == "place" and placing() or reading(arguments[3])
end

function request()
  return next_request()
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'result {"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "errors": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout
  ))
end
