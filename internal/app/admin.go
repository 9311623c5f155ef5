package app

import (
	"bufio"
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"time"

	embeddedlog "daybook/eventstore/embedded"
	"daybook/internal/httpapi"
	embeddedsink "daybook/projections/embedded"
)

// The admin server lets the command line reach a running server: it listens on loopback at a port that it writes to a
// file in the data directory, and takes whoever knows a key derived from the secret there. So it serves those who can
// read the data directory, and nobody else.
type adminServer struct {
	app      *App
	listener net.Listener
	key      string
}

const adminFile = "admin-address"

func newAdminServer(a *App) (*adminServer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("admin server: %w", err)
	}
	if err := os.WriteFile(a.Dir.file(adminFile), []byte(listener.Addr().String()), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("admin server: %w", err), listener.Close())
	}
	return &adminServer{a, httpapi.Bounded(listener, adminConnectionsMax), a.Secret.AdminKey()}, nil
}

func (s *adminServer) serve(ctx context.Context) error {
	defer os.Remove(s.app.Dir.file(adminFile))
	server := httpapi.Server(s, s.app.log)
	server.ReadTimeout, server.WriteTimeout = 0, 0 // operations are long
	server.BaseContext = func(net.Listener) context.Context { return ctx }
	return httpapi.Serve(ctx, server, s.listener)
}

// adminLine is one line of an operation's answer. The last one has a result or an error.
type adminLine struct {
	Label  string          `json:"label,omitempty"`
	Done   uint64          `json:"done,omitempty"`
	Total  uint64          `json:"total,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// ServeHTTP carries out an operation: POST /NAME with parts args and, if it needs one, file.
func (s *adminServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+s.key)) != 1 {
		http.Error(w, "unauthorized", http.StatusUnauthorized)
		return
	}
	op, known := operations[r.URL.Path[1:]]
	args, file, err := operationInput(r)
	if !known || r.Method != http.MethodPost || err != nil {
		http.Error(w, "no such operation", http.StatusNotFound)
		return
	}
	lines := json.NewEncoder(w)
	control := http.NewResponseController(w)
	if err := control.EnableFullDuplex(); err != nil { // progress is told while the file is still being read
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	last := time.Time{}
	result, err := op.perform(r.Context(), s.app, args, file, func(label string, done, total uint64) {
		if now := time.Now(); now.Sub(last) > 50*time.Millisecond || done == total {
			last = now
			_ = lines.Encode(adminLine{Label: label, Done: done, Total: total}) // a caller who went away ends the context
			_ = control.Flush()
		}
	})
	end := adminLine{}
	if err == nil {
		end.Result, err = json.Marshal(result)
	}
	if err != nil {
		end = adminLine{Error: err.Error()}
	}
	if err := lines.Encode(end); err != nil {
		s.app.log.Warn("admin: answer not delivered", "operation", op.Name, "error", err)
	}
}

func operationInput(r *http.Request) (args json.RawMessage, file io.Reader, err error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, nil, err
	}
	first, err := parts.NextPart()
	if err != nil {
		return nil, nil, err
	}
	if args, err = io.ReadAll(io.LimitReader(first, 1<<20)); err != nil {
		return nil, nil, err
	}
	second, err := parts.NextPart()
	if errors.Is(err, io.EOF) {
		return args, nil, nil
	}
	return args, second, err
}

// Perform carries out an operation on an installation: here, or, if a server has it open, there. The result is JSON.
func Perform(ctx context.Context, config Config, op Operation, args any, file io.Reader, progress Progress) (json.RawMessage, error) {
	raw, err := json.Marshal(args)
	if err != nil {
		return nil, err
	}
	if err := config.lacksLog(op); err != nil {
		return nil, err
	}
	a, err := Open(config)
	if errors.Is(err, embeddedlog.ErrInUse) || errors.Is(err, embeddedsink.ErrInUse) {
		return performThere(ctx, config, op, raw, file, progress, err)
	}
	if err != nil {
		return nil, err
	}
	result, err := op.perform(ctx, a, raw, file, progress)
	if err := errors.Join(err, a.Close()); err != nil {
		return nil, err
	}
	return json.Marshal(result)
}

// lacksLog refuses to verify what is not there, instead of making it.
func (c Config) lacksLog(op Operation) error {
	if _, err := os.Stat(c.Data); op.Name != Verify.Name || c.EventStore != "" || !errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("DAYBOOK_DATA (--data): there is no directory %s", c.Data)
}

// performThere has the server that has the installation open do it.
func performThere(ctx context.Context, config Config, op Operation, args []byte, file io.Reader, progress Progress, inUse error) (json.RawMessage, error) {
	dir, err := OpenDataDir(config.Data)
	if err != nil {
		return nil, err
	}
	secret, err := dir.Secret()
	if err != nil {
		return nil, err
	}
	address, err := os.ReadFile(dir.file(adminFile))
	if err != nil {
		return nil, fmt.Errorf("%w, and it is no server that could be asked", inUse)
	}
	body, contentType := operationBody(args, file)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+string(address)+"/"+op.Name, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Authorization", "Bearer "+secret.AdminKey())
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w, and its server does not answer: %w", inUse, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w, and its server refused: %s", inUse, response.Status)
	}
	return readAnswer(response.Body, progress)
}

// operationBody streams the parts, so that a large file is never in memory whole.
func operationBody(args []byte, file io.Reader) (io.Reader, string) {
	reader, writer := io.Pipe()
	parts := multipart.NewWriter(writer)
	go func() {
		part, err := parts.CreateFormField("args")
		if err == nil {
			_, err = io.Copy(part, bytes.NewReader(args))
		}
		if err == nil && file != nil {
			if part, err = parts.CreateFormFile("file", "file"); err == nil {
				_, err = io.Copy(part, file)
			}
		}
		writer.CloseWithError(errors.Join(err, parts.Close()))
	}()
	return reader, parts.FormDataContentType()
}

func readAnswer(body io.Reader, progress Progress) (json.RawMessage, error) {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var line adminLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, err
		}
		switch {
		case line.Error != "":
			return nil, errors.New(line.Error)
		case line.Result != nil:
			return line.Result, nil
		}
		progress(line.Label, line.Done, line.Total)
	}
	return nil, errors.Join(errors.New("the server stopped before the work was done"), lines.Err())
}
