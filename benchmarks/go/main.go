// The reference "esutil.BulkIndexer": Elastic's own Go helper, fed with the documents of the benchmark.
//
//  1. Read all documents (NDJSON, one {"id": ..., "document": ...} a line) into memory.
//  2. Say "ready" and wait for a line on standard input: the benchmark starts its clocks then.
//  3. Index them, wait for the last answer, and print what came of it as one line of JSON.
//  4. Wait for another line (or the end of the input), so that its processor time can be read while it lives.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/elastic/go-elasticsearch/v9"
	"github.com/elastic/go-elasticsearch/v9/esutil"
)

type entry struct {
	ID       string          `json:"id"`
	Document json.RawMessage `json:"document"`
}

type result struct {
	Documents uint64  `json:"documents"`
	Failed    uint64  `json:"failed"`
	Requests  uint64  `json:"requests"`
	Seconds   float64 `json:"seconds"`
}

func main() {
	url := flag.String("url", "", "where Elasticsearch answers")
	index := flag.String("index", "", "the index to write to")
	file := flag.String("file", "", "the documents, as NDJSON")
	workers := flag.Int("workers", 2, "bulk requests at a time")
	flushBytes := flag.Int("flush-bytes", 1_000_000, "bytes of one bulk request")
	flag.Parse()

	entries, err := read(*file)
	exitOn(err)
	client, err := elasticsearch.NewClient(elasticsearch.Config{Addresses: []string{*url}})
	exitOn(err)
	indexer, err := esutil.NewBulkIndexer(esutil.BulkIndexerConfig{
		Client:     client,
		Index:      *index,
		NumWorkers: *workers,
		FlushBytes: *flushBytes,
	})
	exitOn(err)

	lines := bufio.NewScanner(os.Stdin)
	fmt.Println("ready")
	if !lines.Scan() {
		log.Fatal("the input ended before the start")
	}
	outcome, err := write(indexer, entries)
	exitOn(err)
	exitOn(json.NewEncoder(os.Stdout).Encode(outcome))
	lines.Scan()
}

func read(path string) ([]entry, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var entries []entry
	decoder := json.NewDecoder(bufio.NewReaderSize(file, 1<<20))
	for decoder.More() {
		var next entry
		if err := decoder.Decode(&next); err != nil {
			return nil, err
		}
		entries = append(entries, next)
	}
	return entries, nil
}

func write(indexer esutil.BulkIndexer, entries []entry) (result, error) {
	background := context.Background()
	started := time.Now()
	for _, next := range entries {
		item := esutil.BulkIndexerItem{Action: "index", DocumentID: next.ID, Body: bytes.NewReader(next.Document)}
		if err := indexer.Add(background, item); err != nil {
			return result{}, err
		}
	}
	if err := indexer.Close(background); err != nil {
		return result{}, err
	}
	seconds := time.Since(started).Seconds()
	stats := indexer.Stats()
	return result{stats.NumFlushed, stats.NumFailed, stats.NumRequests, seconds}, nil
}

func exitOn(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
