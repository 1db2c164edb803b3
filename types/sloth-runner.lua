---@meta _

-- What scripts of `sloth-runner` find as globals, for editors that understand LuaLS annotations; `require` gives the modules, too. Nothing here
-- runs. What can go wrong in a right program comes back as `nil, err`; a wrong call raises an error.

---The goroutines: as `require("goroutine")`.
---@type goroutine
goroutine = {}

---The script's arguments, and its name as `arg[0]`.
---@type string[]
arg = {}

---What the file of `--values` holds; an empty table without one.
---@type table<string, any>
values = {}

---What `--param KEY=VALUE` gives.
---@type table<string, string>
params = {}

---What is put there is printed at the end.
---@type table<string, any>
outputs = {}

---`"300ms"`, `"30s"`, `"1h30m"`, or a number of seconds.
---@alias runner.Duration string|number

-- Tasks.

---What a command gets as its first argument.
---@class runner.This
local this = {}

---@return string
function this:name() end

---@return string
function this:workdir() end

---@return integer attempt From 1 on.
function this:attempt() end

---`true`, a message and the output; or `false` and why; or the output alone, if it is no boolean.
---@alias runner.Command fun(this: runner.This, params: table<string, string>, deps: table<string, any>): any, any, any

---@alias runner.Condition fun(this: runner.This, params: table<string, string>, deps: table<string, any>): any

---@alias runner.RetryPolicy "fixed"|"linear"|"exponential"

---What `task` gives; each method gives it again.
---@class runner.Task
local builder = {}

---@param text string
---@return runner.Task
function builder:description(text) end

---@param path string The folder of its commands.
---@return runner.Task
function builder:workdir(path) end

---@param variables table<string, string|number|boolean>
---@return runner.Task
function builder:env(variables) end

---@param list string|string[]
---@return runner.Task
function builder:tags(list) end

---@param command runner.Command|string A function, or a line for the shell.
---@return runner.Task
function builder:command(command) end

---@param duration runner.Duration How long an attempt may take.
---@return runner.Task
function builder:timeout(duration) end

---@param n integer How many more attempts there are after a failure.
---@param policy? runner.RetryPolicy
---@return runner.Task
function builder:retries(n, policy) end

---@param duration runner.Duration
---@return runner.Task
function builder:retry_delay(duration) end

---@param names string|string[] Tasks of the same workflow.
---@return runner.Task
function builder:depends_on(names) end

---@param condition runner.Condition|string Without it the task is skipped.
---@return runner.Task
function builder:run_if(condition) end

---@param condition runner.Condition|string With it the workflow stops.
---@return runner.Task
function builder:abort_if(condition) end

---@param fn fun(this: runner.This, output: any)
---@return runner.Task
function builder:on_success(fn) end

---@param fn fun(this: runner.This, error: any, output: any)
---@return runner.Task
function builder:on_failure(fn) end

---@param fn fun(this: runner.This, error: any, output: any)
---@return runner.Task
function builder:on_timeout(fn) end

---@param async boolean Whether those after it need not wait for it.
---@return runner.Task
function builder:async(async) end

---@param patterns string|string[] Files that have to be there when it has ended.
---@return runner.Task
function builder:artifacts(patterns) end

---Not there yet: agents.
---@param agents string|string[]
---@return runner.Task
function builder:delegate_to(agents) end

---@return runner.Task
function builder:build() end

---@param name string
---@return runner.Task
function task(name) end

---A task as a table.
---@class runner.TaskTable
---@field name string
---@field description? string
---@field workdir? string
---@field env? table<string, string|number|boolean>
---@field tags? string|string[]
---@field command runner.Command|string
---@field timeout? runner.Duration
---@field retries? integer
---@field retry_policy? runner.RetryPolicy
---@field retry_delay? runner.Duration
---@field depends_on? string|string[]
---@field run_if? runner.Condition|string
---@field abort_if? runner.Condition|string
---@field on_success? fun(this: runner.This, output: any)
---@field on_failure? fun(this: runner.This, error: any, output: any)
---@field on_timeout? fun(this: runner.This, error: any, output: any)
---@field async? boolean
---@field artifacts? string|string[]

---@class runner.Config
---@field timeout? runner.Duration
---@field retry_policy? runner.RetryPolicy
---@field max_parallel? integer

---@class runner.WorkflowOptions
---@field description? string
---@field version? string
---@field tasks? (runner.Task|runner.TaskTable)[]
---@field config? runner.Config
---@field on_start? fun()
---@field on_complete? fun(success: boolean, results: table<string, table>)

---What `workflow.define` gives; each method gives it again.
---@class runner.Workflow
local flow = {}

---@param text string
---@return runner.Workflow
function flow:description(text) end

---@param version string
---@return runner.Workflow
function flow:version(version) end

---@param tasks (runner.Task|runner.TaskTable)[]
---@return runner.Workflow
function flow:tasks(tasks) end

---@param config runner.Config
---@return runner.Workflow
function flow:config(config) end

---@param fn fun()
---@return runner.Workflow
function flow:on_start(fn) end

---@param fn fun(success: boolean, results: table<string, table>)
---@return runner.Workflow
function flow:on_complete(fn) end

workflow = {}

---@param name string
---@param options? runner.WorkflowOptions
---@return runner.Workflow
function workflow.define(name, options) end

-- Logging.

log = {}

---@param ... any
function log.debug(...) end

---@param ... any
function log.info(...) end

---@param ... any
function log.warn(...) end

---@param ... any
function log.error(...) end

---As `print`.
---@param ... any
function log.print(...) end

---@param value any Is shown as JSON.
---@param title? string
function log.table(value, title) end

-- HTTP.

---@class runner.http.Options
---@field headers? table<string, string|number>
---@field query? table<string, string|number|boolean>
---@field body? string
---@field json? any The body, as JSON.
---@field auth? { username?: string, password?: string, token?: string }
---@field timeout? runner.Duration 30 s unless said.
---@field follow? boolean Whether redirects are followed.
---@field max_size? integer How many bytes the answer's body may have.

---@class runner.http.Request: runner.http.Options
---@field method? string
---@field url string

---@class runner.http.Response
---@field status_code integer
---@field status string
---@field ok boolean 200 to 299.
---@field body string
---@field headers table<string, string> Names in small letters.
---@field json? any
---@field elapsed_ms number

http = {}

---@param url string
---@param options? runner.http.Options
---@return runner.http.Response? response
---@return string? err
function http.get(url, options) end

---@param url string
---@param options? runner.http.Options
---@return runner.http.Response? response
---@return string? err
function http.delete(url, options) end

---@param url string
---@param options? runner.http.Options
---@return runner.http.Response? response
---@return string? err
function http.head(url, options) end

---@param url string
---@param body? string
---@param options? runner.http.Options
---@return runner.http.Response? response
---@return string? err
function http.post(url, body, options) end

---@param url string
---@param body? string
---@param options? runner.http.Options
---@return runner.http.Response? response
---@return string? err
function http.put(url, body, options) end

---@param url string
---@param body? string
---@param options? runner.http.Options
---@return runner.http.Response? response
---@return string? err
function http.patch(url, body, options) end

---@param options runner.http.Request
---@return runner.http.Response? response
---@return string? err
function http.request(options) end

-- Commands.

---@class runner.exec.Options
---@field workdir? string
---@field env? table<string, string|number|boolean>
---@field stdin? string
---@field timeout? runner.Duration
---@field stream? string A name, with which each line is passed on as it comes.

---@class runner.exec.Result
---@field stdout string
---@field stderr string
---@field exit_code integer
---@field success boolean

exec = {}

---@param command string|string[] A line for the shell, or a program and its arguments.
---@param options? runner.exec.Options
---@return runner.exec.Result? result
---@return string? err
function exec.run(command, options) end

-- Files.

fs = {}

---@param path string
---@return string? bytes
---@return string? err
function fs.read(path) end

---@param path string
---@param text string
---@return true? done
---@return string? err
function fs.write(path, text) end

---@param path string
---@param text string
---@return true? done
---@return string? err
function fs.append(path, text) end

---@param path string
---@return boolean? exists
---@return string? err
function fs.exists(path) end

---@param path string
---@return integer? bytes
---@return string? err
function fs.size(path) end

---@param path string
---@return string[]? names
---@return string? err
function fs.ls(path) end

---@param path string
---@return true? done
---@return string? err
function fs.mkdir(path) end

---@param path string
---@return true? done
---@return string? err
function fs.rm(path) end

---@param path string
---@return true? done
---@return string? err
function fs.rmr(path) end

---@param from string
---@param to string
---@return true? done
---@return string? err
function fs.copy(from, to) end

---@param from string
---@param to string
---@return true? done
---@return string? err
function fs.move(from, to) end

---@return string? path
---@return string? err
function fs.tmpname() end

---@param pattern string
---@return string[]? paths
---@return string? err
function fs.glob(pattern) end

---@param path string
---@return string
function fs.basename(path) end

---@param path string
---@return string
function fs.dirname(path) end

---@param part string
---@param ... string
---@return string
function fs.join(part, ...) end

-- Data.

json = {}

---What stands for `null` in lists, and alone.
json.null = function() end

---@param text string
---@return any value
---@return string? err
function json.decode(text) end

---@param value any
---@param pretty? boolean
---@return string? text
---@return string? err
function json.encode(value, pretty) end

yaml = {}

---@param text string
---@return any value
---@return string? err
function yaml.decode(text) end

---@param value any
---@return string? text
---@return string? err
function yaml.encode(value) end

data = {}

---@param text string
---@return any value
---@return string? err
function data.parse_json(text) end

---@param value any
---@param pretty? boolean
---@return string? text
---@return string? err
function data.to_json(value, pretty) end

---@param text string
---@return any value
---@return string? err
function data.parse_yaml(text) end

---@param value any
---@return string? text
---@return string? err
function data.to_yaml(value) end

-- Time.

time = {}

---@return number seconds Since 1970.
function time.now() end

---@return integer
function time.unix_ms() end

---@param duration runner.Duration
function time.sleep(duration) end

---@param seconds? number Now, unless said.
---@param format? string As for `strftime`.
---@param zone? string `"local"`, or a name; UTC unless said.
---@return string? text
---@return string? err
function time.format(seconds, format, zone) end

---@param text string
---@param format? string
---@param zone? string
---@return number? seconds
---@return string? err
function time.parse(text, format, zone) end

---@param text runner.Duration
---@return number? seconds
---@return string? err
function time.duration(text) end
