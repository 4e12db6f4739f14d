---@meta skyloom.http

--- What http.httpd and http.internal are made of: strict reading of HTTP/1 messages, and heads to write.
---@class skyloom.http
local http = {}

--- A message that comes in pieces.
---@class skyloom.http.reader
local reader = {}

--- The first bytes of a request, with or without what follows. Results, one of
--- * 200, url, method, header, body, is_persistent, what follows the request (nil: nothing),
---   whether it is of HTTP/1.1;
--- * 400, 413, 501 or 505, and the reason;
--- * nil, a reader that wants more, and what of the request is not whole: "head", "body", or "continue" for
---   a body before which the client waits for a 100.
---@param bytes string
---@param body_bytes_max integer
---@param head_bytes_max integer
---@return integer? code
---@return string|skyloom.http.reader
---@return string
---@return table<string, string|string[]>? header names in lower case; a list for a name that comes again
---@return string? body
---@return boolean? is_persistent the connection can carry another request
---@return string? rest
---@return boolean? is_http11
function http.request(bytes, body_bytes_max, head_bytes_max) end

--- What came next; results as those of http.request(). Raises when the request is whole already.
---@param bytes string
function reader:request(bytes) end

--- Reads the answer to a request; answers 1xx, but 101, are skipped.
---@param method string of the request
---@param body_bytes_max integer
---@param head_bytes_max integer
---@return skyloom.http.reader
function http.response_reader(method, body_bytes_max, head_bytes_max) end

--- What came next.
---@param bytes string
---@param whole boolean? do not give the body in pieces, but all of it at the end
---@return "head"|"body"|"whole"|nil phase nil: this is no answer
---@return string|boolean|nil piece of the body; with "head" whether some of a head has come; the reason without a phase
---@return string? rest what follows the message
---@return integer? status this and the rest once, when the head has become whole
---@return table<string, string|string[]>? header
---@return boolean? is_persistent
function reader:response(bytes, whole) end

--- The peer has closed.
---@return string|nil rest of the body, nil when the message is not whole
function reader:finish() end

--- The text of a head, and a body. Raises for names and values that would end their line early.
---@param start string the first line, without its end
---@param header table<string, any>? values: text, number, boolean, or a list of these
---@param body string|boolean|nil text; true: chunks follow; false: none; nil: the header tells
---@return string
function http.message(start, header, body) end

---@param text string
---@return boolean is_target it may stand in a request line
function http.is_target(text) end

---@param text string
---@return boolean is_token a method or the name of a header
function http.is_token(text) end

return http
