-- A grammar of LPeg in a service, with the module of the distribution.
local skynet = require "skynet"
local check = require "check"
local lpeg = require "lpeg"

local test = check.test

local function calculator()
  local space = lpeg.S " \t" ^ 0
  local number = lpeg.R "09" ^ 1 / tonumber * space
  local function binary(left, operator, right) return operator == "*" and left * right or left + right end
  return lpeg.P {
    "sum",
    sum = lpeg.Cf(lpeg.V "product" * lpeg.Cg(lpeg.C "+" * space * lpeg.V "product") ^ 0, binary),
    product = lpeg.Cf(lpeg.V "value" * lpeg.Cg(lpeg.C "*" * space * lpeg.V "value") ^ 0, binary),
    value = number + "(" * space * lpeg.V "sum" * ")" * space,
  } * -1
end

skynet.start(function()
  test("a grammar matches", function()
    local sum = calculator()
    check.equal(sum:match "1 + 2*(3 + 4)", 15)
    check.equal(sum:match "1 + ", nil)
  end)
  test("what LPeg raises is an error like any other", function()
    check.raises("may be left recursive", lpeg.P, { lpeg.V(1) * "x" })
    check.raises("string expected", lpeg.match, lpeg.P "x", {})
  end)
  test("a capture may call the framework", function()
    local address = lpeg.C(lpeg.R "az" ^ 1) / skynet.getenv
    check.equal(address:match "start", "lpeg_script")
  end)
  check.done()
end)
