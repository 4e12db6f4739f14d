-- Parts of HTTP/1 messages, for both sides. No sockets: bytes come from a read function, `read()` for
-- whatever is there, `read(n)` for exactly n bytes. What a peer does wrong is raised as a table
-- {code = status} (a `refusal`); errors of `read` pass through.

local M = {}

M.header_bytes_max = 8192
M.header_fields_max = 128
M.body_bytes_default = 8 << 20
M.chunk_line_bytes_max = 128
M.length_digits_max = 15  -- a number of so many digits is exact

local refusal_meta = {
  __tostring = function(refusal) return string.format("HTTP %d: %s", refusal.code, refusal.reason) end,
}

--- Raises what read_request() and its like turn into the status code.
---@param code integer
---@param reason string
function M.refuse(code, reason)
  error(setmetatable({ code = code, reason = reason }, refusal_meta), 0)
end

--- The code of a refusal, nil for other errors.
function M.refusal_code(err)
  return getmetatable(err) == refusal_meta and err.code or nil
end

--- Reads to the blank line. Returns the lines, without their ends, and the bytes behind the blank line.
---@param read fun(n?: integer): string
---@return string[] lines
---@return string rest
function M.recvheader(read)
  local bytes = ""
  local from = 1
  while true do
    local first, last = string.find(bytes, "\r\n\r\n", from, true)
    if (first or #bytes) > M.header_bytes_max then
      M.refuse(413, string.format("a header of more than %d bytes", M.header_bytes_max))
    end
    if first then
      local lines = {}
      for line in string.gmatch(string.sub(bytes, 1, first + 1), "(.-)\r\n") do
        lines[#lines + 1] = line
      end
      return lines, string.sub(bytes, last + 1)
    end
    from = math.max(1, #bytes - 2)
    bytes = bytes .. read()
  end
end

-- Two of them, and nobody knows which one counts.
local is_single = { ["content-length"] = true, ["transfer-encoding"] = true, host = true }

--- Fields of the lines from `first` on, by name in lower case; a name that comes again has a list.
---@param lines string[]
---@param first integer
---@return table<string, string|string[]>
function M.parseheader(lines, first)
  if #lines - first + 1 > M.header_fields_max then
    M.refuse(413, string.format("more than %d header fields", M.header_fields_max))
  end
  local header = {}
  for i = first, #lines do
    local name, value = string.match(lines[i], "^([%w!#$%%&'*+%-.^_`|~]+):[ \t]*(.-)[ \t]*$")
    if not name or string.find(value, "[%z\1-\8\10-\31\127]") then
      M.refuse(400, string.format("line %d is no header field", i))
    end
    name = string.lower(name)
    local before = header[name]
    if before and is_single[name] then
      M.refuse(400, string.format("more than one %s", name))
    elseif type(before) == "table" then
      before[#before + 1] = value
    else
      header[name] = before and { before, value } or value
    end
  end
  return header
end

--- How the body of a message with this header is framed: "chunked", or "length" and its bytes (nil: the
--- header does not tell).
---@param header table
---@return "chunked"|"length"
---@return integer|nil bytes
function M.framing(header)
  local encoding, length = header["transfer-encoding"], header["content-length"]
  if encoding then
    if length then M.refuse(400, "content-length and transfer-encoding") end
    encoding = string.lower(encoding)
    if encoding == "chunked" then return "chunked" end
    if encoding ~= "identity" then M.refuse(501, "transfer-encoding " .. encoding) end
  end
  if not length then return "length" end
  if not string.find(length, "^%d+$") then M.refuse(400, "content-length is no number") end
  if #length > M.length_digits_max then M.refuse(413, "content-length is too large") end
  return "length", math.tointeger(tonumber(length))
end

--- A reader of exact pieces over `read` and the bytes that came with the header. What it has taken stays in
--- `rest` until more comes: many small pieces in one read must not copy what follows each of them.
local function piece_reader(read, rest)
  local reader = {}
  local from = 1

  local function fetch()
    rest = string.sub(rest, from) .. read()
    from = 1
  end

  --- Exactly n bytes. Memory grows with what has come, not with what was announced.
  function reader.exactly(n)
    local pieces, missing = {}, n
    while missing > #rest - from + 1 do
      pieces[#pieces + 1] = string.sub(rest, from)
      missing = missing - (#rest - from + 1)
      rest, from = read(), 1
    end
    pieces[#pieces + 1] = string.sub(rest, from, from + missing - 1)
    from = from + missing
    return table.concat(pieces)
  end

  --- A line of at most `limit` bytes.
  function reader.line(limit)
    local last = string.find(rest, "\r\n", from, true)
    while not last and #rest - from <= limit do
      fetch()
      last = string.find(rest, "\r\n", from, true)
    end
    if not last or last - from > limit then M.refuse(400, "a line is too long") end
    local line = string.sub(rest, from, last - 1)
    from = last + 2
    return line
  end

  return reader
end

--- A body of `length` bytes.
---@param read fun(n?: integer): string
---@param length integer
---@param limit integer bytes; more is refused with 413
---@param rest string|nil bytes of it that came with the header
---@return string
function M.recvbody(read, length, limit, rest)
  if length > limit then M.refuse(413, string.format("a body of more than %d bytes", limit)) end
  return piece_reader(read, rest or "").exactly(length)
end

--- A body in chunks. Its trailer fields are checked and dropped.
---@param read fun(n?: integer): string
---@param limit integer bytes; more is refused with 413
---@param rest string|nil bytes of it that came with the header
---@return string
function M.recvchunkedbody(read, limit, rest)
  local reader = piece_reader(read, rest or "")
  local chunks, total = {}, 0
  while true do
    local digits = string.match(reader.line(M.chunk_line_bytes_max), "^%x+$")
    if not digits then M.refuse(400, "a chunk size is no hexadecimal number") end
    digits = string.gsub(digits, "^0+", "")
    if #digits > 12 then M.refuse(413, "a chunk is too large") end
    local bytes = tonumber(digits == "" and "0" or digits, 16)
    total = total + bytes
    if total > limit then M.refuse(413, string.format("a body of more than %d bytes", limit)) end
    if bytes == 0 then break end
    chunks[#chunks + 1] = reader.exactly(bytes)
    if reader.exactly(2) ~= "\r\n" then M.refuse(400, "a chunk does not end where it should") end
  end
  local trailer = {}
  local line = reader.line(M.header_bytes_max)
  while line ~= "" do
    trailer[#trailer + 1] = line
    if #trailer > M.header_fields_max then M.refuse(413, "too many trailer fields") end
    line = reader.line(M.header_bytes_max)
  end
  M.parseheader(trailer, 1)
  return table.concat(chunks)
end

--- The lines of a header to send. Raises for names and values that would end the line early.
---@param header table<string, any> values: text, number, or a list of these
---@param skipped table<string, boolean> names (lower case) that the caller writes itself
---@return string
function M.header_text(header, skipped)
  local lines = {}
  local function add(name, value)
    local text = tostring(value)
    if string.find(name, "[^%w!#$%%&'*+%-.^_`|~]") or name == "" then
      error(string.format("header name %q is no token", name), 0)
    end
    if string.find(text, "[\r\n%z]") then
      error(string.format("the value of header %s has an end of line in it", name), 0)
    end
    lines[#lines + 1] = string.format("%s: %s\r\n", name, text)
  end
  for name, value in pairs(header) do
    if not skipped[string.lower(name)] then
      for _, one in ipairs(type(value) == "table" and value or { value }) do
        add(name, one)
      end
    end
  end
  return table.concat(lines)
end

return M
