-- Tells prices. It asks for the shared table once; what it reads afterwards is the newest version, without a message.
local skynet = require "skynet"
local sharedata = require "skynet.sharedata"

local shop

local function percent_off(count)
  local percent = 0
  for _, discount in ipairs(shop.discounts) do
    if count >= discount.from then percent = discount.percent end
  end
  return percent
end

local command = {}

function command.VERSION()
  return shop.version
end

function command.PRICE(item, count)
  local price = shop.prices[item]
  if not price then return "NONE" end
  return ("PRICE %d %s"):format(price * count * (100 - percent_off(count)) // 100, shop.currency)
end

skynet.start(function()
  shop = sharedata.query "shop"
  skynet.dispatch("lua", function(_, _, name, ...)
    skynet.retpack(command[name](...))
  end)
end)
