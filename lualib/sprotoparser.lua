-- The schema language of sproto.
local core = require "sproto.core"

---@class sprotoparser
local parser = {}

---The bundle that a schema text compiles to, for `sproto.new` and `sproto.core`. Raises
---`syntax error at [name] line (n): ...`, also for types that are missing or defined twice.
---@param text string at most 4 MiB
---@param name string? what errors call the text
---@return string bundle
function parser.parse(text, name)
  return core.compile(text, name)
end

---Prints the bytes of a bundle in hexadecimal digits, sixteen to a line.
---@param bundle string
function parser.dump(bundle)
  if type(bundle) ~= "string" then error("sprotoparser.dump: a bundle is a string, not a " .. type(bundle), 2) end
  for start = 1, #bundle, 16 do
    local line = bundle:sub(start, start + 15):gsub(".", function(c) return ("%02X "):format(c:byte()) end)
    print(line)
  end
end

return parser
