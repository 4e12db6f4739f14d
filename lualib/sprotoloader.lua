-- Schemas that the services of a node share: one service fills slots, the others read them.
local core = require "sproto.core"
local sproto = require "sproto"

---@class sprotoloader
local loader = {}

---Puts a bundle into a slot. Services that have loaded what was there before keep it.
---@param bundle string of `sprotoparser.parse`
---@param slot integer 0 to 15
function loader.save(bundle, slot)
  local schema = assert(core.newproto(bundle))
  core.saveproto(schema, slot)
  core.deleteproto(schema) -- the slot keeps it
end

---The same with the schema text of a file. Raises when it cannot be read, or does not compile.
---@param filename string
---@param slot integer 0 to 15
function loader.register(filename, slot)
  local file = assert(io.open(filename))
  local text = file:read "a"
  file:close()
  loader.save(require("sprotoparser").parse(text, filename), slot)
end

---What lies in a slot. Raises `nil sproto at index n` when that is nothing.
---@param slot integer 0 to 15
---@return sproto
function loader.load(slot)
  return sproto.sharenew(core.loadproto(slot))
end

return loader
