-- http.httpc against the server of peers/http_server.js, which is at the place `http_peer`.
local skynet = require "skynet"
local httpc = require "http.httpc"
local check = require "check"
local test = check.test

skynet.start(function()
  local place = skynet.getenv "http_peer"
  test("Node's server answers on one connection", function()
    for i = 1, 20 do check.equal({ httpc.get(place, "/" .. i) }, { 200, "GET /" .. i .. " 1" }) end
    check.equal(httpc.head(place, "/"), 200)
  end)
  test("Node's server gives back what it gets", function()
    local body = string.rep("0123456789", 50000)
    local status, answer = httpc.request("PUT", place, "/echo", nil, nil, body)
    check.equal({ status, answer == body }, { 200, true })
    check.equal({ httpc.post(place, "/echo", { a = "1 2", b = { "&", "ü" } }) }, { 200, "a=1%202&b=%26&b=%C3%BC" })
  end)
  test("chunks and trailers of Node's server are joined", function()
    local lines = {}
    for i = 1, 1000 do lines[i] = i - 1 .. "\n" end
    local status, answer = httpc.get(place, "/chunks", nil, { te = "trailers" })
    check.equal({ status, answer == table.concat(lines) }, { 200, true })
    local pieces = {}
    for piece in httpc.request_stream("GET", place, "/chunks") do pieces[#pieces + 1] = piece end
    check.equal(table.concat(pieces) == table.concat(lines), true)
  end)
  test("early hints are not the answer", function()
    check.equal({ httpc.get(place, "/early") }, { 200, "late" })
  end)
  test("a connection that Node's server closes is made again", function()
    for _ = 1, 3 do check.equal({ httpc.get(place, "/close") }, { 200, "closed" }) end
  end)
  test("a field that comes again has a list", function()
    local fields = {}
    check.equal({ httpc.get(place, "/cookies", fields) }, { 204, "" })
    check.equal(fields["set-cookie"], { "a=1", "b=2" })
  end)
  check.done()
end)
