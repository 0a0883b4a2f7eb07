-- wrk: one Execute after another, each thread with one connection and one session. Threads take their
-- cookies and, after a tab, their Authorization from the file named by the first argument, a line each; the
-- body is in the second, the other headers in the third.
local threads = {}

function setup(thread)
  thread:set("number", #threads)
  threads[#threads + 1] = thread
end

function init(args)
  cookies, names = {}, {}
  local line_number = 0
  for line in io.lines(args[1]) do
    if line_number == number then
      local pairs_of_it, login = line:match("^([^\t]*)\t(.*)$")
      authorization = login
      for name, value in pairs_of_it:gmatch("([^=; ]+)=([^;]*)") do
        cookies[name] = value
        names[#names + 1] = name
      end
    end
    line_number = line_number + 1
  end
  local file = io.open(args[2], "rb")
  payload = file:read("*a")
  file:close()
  headers = {}
  for line in io.lines(args[3]) do
    local name, value = line:match("^([^:]+): (.*)$")
    headers[name] = value
  end
  headers["Authorization"] = authorization
  failures = 0
end

function request()
  local parts = {}
  for i, name in ipairs(names) do parts[i] = name .. "=" .. cookies[name] end
  headers["Cookie"] = table.concat(parts, "; ")
  return wrk.format("POST", nil, headers, payload)
end

function response(status, reply_headers, body)
  if status ~= 200 or not body:find("X-ResponseCode: 0", 1, true) then failures = failures + 1 end
  local cookie = reply_headers["Set-Cookie"] or reply_headers["set-cookie"]
  if cookie then
    local name, value = cookie:match("^([^=]+)=([^;]*)")
    if cookies[name] then cookies[name] = value end
  end
end

function done(summary)
  local failed = 0
  for _, thread in ipairs(threads) do failed = failed + (thread:get("failures") or 0) end
  io.write(string.format("RESULT %d %d %d %d\n", summary.requests, summary.duration, failed,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
