// The same call as a careful Go shop would write it: net/http and go-sql-driver, statements
// prepared once, rows scanned as RawBytes, JSON columns passed through as the text they are,
// buffers and compressors pooled, gzip by klauspost's package, which is the quickest there is.
// The statement, with its index named, is the service's.  What no fair client sends, the service
// refuses and this does not look at.
package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/klauspost/compress/gzip"
)

var filters = []struct{ name, column string }{
	{"partner", "partner"}, {"buyerId", "buyer_id"}, {"entitlementId", "entitlement_id"},
	{"productId", "product_id"}, {"status", "status"}, {"source", "source"},
}

type server struct {
	database   *sql.DB
	mutex      sync.RWMutex
	statements map[string]*sql.Stmt
}

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}
var compressors = sync.Pool{New: func() any {
	compressor, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	return compressor
}}

func (server *server) prepare(text string) (*sql.Stmt, error) {
	server.mutex.RLock()
	statement := server.statements[text]
	server.mutex.RUnlock()
	if statement != nil {
		return statement, nil
	}
	server.mutex.Lock()
	defer server.mutex.Unlock()
	if statement = server.statements[text]; statement != nil {
		return statement, nil
	}
	statement, err := server.database.Prepare(text)
	if err == nil {
		server.statements[text] = statement
	}
	return statement, err
}

func appendText(body []byte, text []byte) []byte {
	for _, c := range text {
		if c < 0x20 || c == '"' || c == '\\' {
			escaped, _ := json.Marshal(string(text))
			return append(body, escaped...)
		}
	}
	body = append(body, '"')
	body = append(body, text...)
	return append(body, '"')
}

func appendTime(body []byte, text []byte) []byte {
	body = append(body, '"')
	body = append(body, text[:10]...)
	body = append(body, 'T')
	body = append(body, text[11:]...)
	return append(body, 'Z', '"')
}

func appendDocument(body []byte, text []byte) []byte {
	if text == nil {
		return append(body, "{}"...)
	}
	return append(body, text...)
}

func (server *server) page(request *http.Request, body *bytes.Buffer) error {
	query := request.URL.Query()
	path := strings.Split(request.URL.Path, "/")
	organization := path[2]
	limit, offset := 1000, 0
	if value := query.Get("limit"); value != "" {
		limit, _ = strconv.Atoi(value)
	}
	if value := query.Get("offset"); value != "" {
		offset, _ = strconv.Atoi(value)
	}
	end := time.Now().UTC()
	if value := query.Get("endDate"); value != "" {
		end, _ = time.Parse("2006-01-02", value)
	}
	start := end.AddDate(0, 0, -30)
	if value := query.Get("startDate"); value != "" {
		start, _ = time.Parse("2006-01-02", value)
	}
	index, where := "PRIMARY", ""
	values := []any{organization}
	for _, filter := range filters {
		if query.Has(filter.name) {
			if where == "" {
				index = "by"
			}
			index += "_" + filter.column
			where += " AND " + filter.column + " = ?"
			values = append(values, query.Get(filter.name))
		}
	}
	values = append(values, start.Format("2006-01-02"), end.Format("2006-01-02")+" 23:59:59.999", limit+1, offset)
	statement, err := server.prepare("SELECT creation_time, serial_id, id, partner, buyer_id, entitlement_id, status, " +
		"meta_info, records, usage_record_report_id, last_update_time FROM usage_record_group FORCE INDEX (" + index +
		") WHERE organization_id = ?" + where + " AND creation_time >= ? AND creation_time <= ? " +
		"ORDER BY creation_time DESC, serial_id DESC LIMIT ? OFFSET ?")
	if err != nil {
		return err
	}
	rows, err := statement.QueryContext(request.Context(), values...)
	if err != nil {
		return err
	}
	defer rows.Close()

	const room = len(`{"nextOffset":2147483647,"usageRecordGroups":[`)
	out := append(body.Bytes(), make([]byte, room)...)
	var columns [11]sql.RawBytes
	var places [11]any
	for i := range columns {
		places[i] = &columns[i]
	}
	encoded, _ := json.Marshal(organization)
	count, next := 0, 0
	for rows.Next() {
		if count == limit {
			next = offset + limit
			break
		}
		if err = rows.Scan(places[:]...); err != nil {
			return err
		}
		if count > 0 {
			out = append(out, ',')
		}
		count++
		out = append(out, `{"buyerID":`...)
		out = appendText(out, columns[4])
		out = append(out, `,"creationTime":`...)
		out = appendTime(out, columns[0])
		out = append(out, `,"entitlementID":`...)
		out = appendText(out, columns[5])
		out = append(out, `,"id":`...)
		out = appendText(out, columns[2])
		out = append(out, `,"lastUpdateTime":`...)
		out = appendTime(out, columns[10])
		out = append(out, `,"metaInfo":`...)
		out = appendDocument(out, columns[7])
		out = append(out, `,"organizationID":`...)
		out = append(out, encoded...)
		out = append(out, `,"partner":`...)
		out = appendText(out, columns[3])
		out = append(out, `,"records":`...)
		out = appendDocument(out, columns[8])
		out = append(out, `,"serialID":`...)
		out = append(out, columns[1]...)
		out = append(out, `,"status":`...)
		out = appendText(out, columns[6])
		out = append(out, `,"usageRecordReportID":`...)
		out = appendText(out, columns[9])
		out = append(out, '}')
	}
	if err = rows.Err(); err != nil {
		return err
	}
	out = append(out, ']', '}')
	head := strconv.AppendInt([]byte(`{"nextOffset":`), int64(next), 10)
	head = append(head, `,"usageRecordGroups":[`...)
	copy(out[room-len(head):], head)
	*body = *bytes.NewBuffer(out)
	body.Next(room - len(head))
	return nil
}

func (server *server) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	body := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(body)
	body.Reset()
	if err := server.page(request, body); err != nil {
		log.Print(err)
		http.Error(response, `"internal server error"`, http.StatusInternalServerError)
		return
	}
	header := response.Header()
	header.Set("Content-Type", "application/json")
	if strings.Contains(request.Header.Get("Accept-Encoding"), "gzip") && body.Len() > 1400 {
		compressed := bodies.Get().(*bytes.Buffer)
		defer bodies.Put(compressed)
		compressed.Reset()
		compressor := compressors.Get().(*gzip.Writer)
		compressor.Reset(compressed)
		compressor.Write(body.Bytes())
		compressor.Close()
		compressors.Put(compressor)
		header.Set("Content-Encoding", "gzip")
		body = compressed
	}
	header.Set("Content-Length", strconv.Itoa(body.Len()))
	response.Write(body.Bytes())
}

// peer SOCKET DATABASE CONNECTIONS PORT
func main() {
	connections, _ := strconv.Atoi(os.Args[3])
	database, err := sql.Open("mysql", "root@unix("+os.Args[1]+")/"+os.Args[2]+"?collation=utf8mb4_bin&maxAllowedPacket=0")
	if err != nil {
		log.Fatal(err)
	}
	database.SetMaxOpenConns(connections)
	database.SetMaxIdleConns(connections)
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[4])
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(listener, &server{database: database, statements: map[string]*sql.Stmt{}}))
}
