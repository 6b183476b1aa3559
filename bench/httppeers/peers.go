package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
)

// place is where a peer is to run.
type place struct {
	folder string // for its configuration and its files
	addr   string // to listen on
	origin string // to ask
	redis  string // "" = none
	warm   string // the URL of a sitemap; "" = none
}

// peer is a cache that is measured.
type peer struct {
	name    string
	version func(ctx context.Context) (string, error)
	// command makes the process. What a peer keeps over a restart is in the folder, or in Redis.
	command func(ctx context.Context, at place) (*exec.Cmd, error)
	redis   bool // has a second tier
	warms   bool // can be told URLs to fetch at its start
	bare    bool // is no cache, but what a cache in Go can be at best
}

func peers(ours string) []peer {
	return []peer{
		{name: "warmcache", version: module("github.com/warmcache/warmcache"), command: warmcache(ours), warms: true},
		{name: "warmcache on Redis", version: module("github.com/warmcache/warmcache"), command: warmcache(ours), redis: true, warms: true},
		{name: "nginx", version: output("nginx", "-v"), command: nginx},
		{name: "Varnish", version: output("varnishd", "-V"), command: varnish},
		{name: "httpd", version: output("apache2", "-v"), command: httpd},
		{name: "gregjones/httpcache", version: module("github.com/gregjones/httpcache"), command: own("gregjones")},
		{name: "bare net/http", version: module("github.com/warmcache/warmcache"), command: own("bare"), bare: true},
	}
}

// build compiles examples/handler, which is of the root module, into a folder.
func build(ctx context.Context, folder string) (string, error) {
	program := filepath.Join(folder, "handler")
	out, err := exec.CommandContext(ctx, "go", "build", "-C", "../..", "-o", program, "./examples/handler").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build examples/handler: %w\n%s", err, out)
	}
	return program, nil
}

// module is the version of a module in this program.
func module(name string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		if info, ok := debug.ReadBuildInfo(); ok {
			for _, dep := range info.Deps {
				if dep.Path == name && dep.Replace == nil {
					return dep.Version, nil
				}
			}
		}
		return "this tree", nil
	}
}

// output is the first line of what a program prints.
func output(program string, args ...string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		text, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
		if err != nil {
			return "", err
		}
		line, _, _ := strings.Cut(string(text), "\n")
		return line, nil
	}
}

func warmcache(program string) func(context.Context, place) (*exec.Cmd, error) {
	return func(ctx context.Context, at place) (*exec.Cmd, error) {
		args := []string{"-proxy", "http://" + at.origin}
		if at.redis != "" {
			args = append(args, "-redis", "redis://"+at.redis)
		}
		if at.warm != "" {
			args = append(args, "-warm", at.warm, "-base", "http://"+at.addr)
		}
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Env = append(os.Environ(), "ADDR="+at.addr)
		return cmd, nil
	}
}

// own is a server of this program, see serve.
func own(kind string) func(context.Context, place) (*exec.Cmd, error) {
	return func(ctx context.Context, at place) (*exec.Cmd, error) {
		program, err := os.Executable()
		if err != nil {
			return nil, err
		}
		return exec.CommandContext(ctx, program, "serve", kind, at.addr, at.origin), nil
	}
}

func nginx(ctx context.Context, at place) (*exec.Cmd, error) {
	return configured(ctx, at, "nginx.conf", nginxConf, "nginx", "-c")
}

func httpd(ctx context.Context, at place) (*exec.Cmd, error) {
	return configured(ctx, at, "httpd.conf", httpdConf, "apache2", "-DFOREGROUND", "-f")
}

func varnish(ctx context.Context, at place) (*exec.Cmd, error) {
	host, port, _ := strings.Cut(at.origin, ":")
	text := strings.NewReplacer("{host}", host, "{port}", port).Replace(varnishConf)
	file := filepath.Join(at.folder, "default.vcl")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, "varnishd", "-F", "-j", "none", "-a", at.addr, "-f", file,
		"-n", filepath.Join(at.folder, "varnish"), "-s", "malloc,256m", "-p", "thread_pool_min=300"), nil
}

// configured writes a configuration and returns the program that reads it.
func configured(ctx context.Context, at place, name, text string, command ...string) (*exec.Cmd, error) {
	text = strings.NewReplacer("{folder}", at.folder, "{addr}", at.addr, "{origin}", at.origin).Replace(text)
	file := filepath.Join(at.folder, name)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, command[0], append(command[1:], file)...), nil
}

// The configurations: what each peer's own documentation recommends for a cache that collapses
// requests, keeps connections to the origin, and writes no log.
const (
	nginxConf = `
daemon off;
user root;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes auto;
worker_rlimit_nofile 8192;
events { worker_connections 4096; }
http {
	access_log off;
	sendfile on;
	keepalive_requests 1000000000;
	client_body_temp_path {folder}/body;
	proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi;
	scgi_temp_path {folder}/scgi;
	proxy_cache_path {folder}/cache keys_zone=all:16m max_size=256m use_temp_path=off;
	open_file_cache max=10000 inactive=60s;
	upstream origin { server {origin}; keepalive 256; }
	server {
		listen {addr} backlog=4096;
		location / {
			proxy_pass http://origin;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_cache all;
			proxy_cache_lock on;
			proxy_cache_background_update on;
			proxy_cache_use_stale error timeout updating;
		}
	}
}
`
	varnishConf = `
vcl 4.1;
backend default { .host = "{host}"; .port = "{port}"; }
`
	httpdConf = `
ServerName bench
ServerRoot {folder}
PidFile {folder}/httpd.pid
ErrorLog {folder}/error.log
Mutex pthread
DefaultRuntimeDir {folder}
Listen {addr}
ListenBacklog 4096
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
LoadModule cache_module /usr/lib/apache2/modules/mod_cache.so
LoadModule cache_disk_module /usr/lib/apache2/modules/mod_cache_disk.so
ThreadLimit 512
ServerLimit 4
StartServers 4
ThreadsPerChild 256
MaxRequestWorkers 1024
MinSpareThreads 1024
MaxSpareThreads 1024
AsyncRequestWorkerFactor 4
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
CacheRoot {folder}/cache
CacheEnable disk /
CacheQuickHandler on
CacheLock on
CacheLockPath {folder}/lock
CacheLockMaxAge 30
ProxyPass / http://{origin}/
`
)
