-- Parts of the target of an HTTP request.

local url = {}

local function decode(text)
  return (string.gsub(text, "%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

--- Splits `/path?query`, or a whole address of http: the decoded path, and the query as it came (nil without one).
---@param target string
---@return string path
---@return string|nil query
function url.parse(target)
  local path, query = string.match(string.gsub(target, "^%a[%w+.-]*://[^/?#]*", ""), "^([^?#]*)%??([^#]*)")
  return decode(path), query ~= "" and query or nil
end

--- The fields of `a=1&b=2`, decoded. A name that comes more than once has a list.
---@param query string
---@return table<string, string|string[]>
function url.parse_query(query)
  local fields = {}
  for pair in string.gmatch(query, "[^&]+") do
    local name, value = string.match(pair, "^([^=]*)=?(.*)$")
    name = decode((string.gsub(name, "+", " ")))
    value = decode((string.gsub(value, "+", " ")))
    local before = fields[name]
    if before == nil then
      fields[name] = value
    elseif type(before) == "table" then
      before[#before + 1] = value
    else
      fields[name] = { before, value }
    end
  end
  return fields
end

return url
