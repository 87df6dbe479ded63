package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"go.yaml.in/yaml/v3"

	"nearcase/api"
	"nearcase/embed"
	"nearcase/store"
	"nearcase/store/local"
)

// config is the configuration file. config.example.yaml documents every key
// and equals the defaults.
type config struct {
	Data        string            `yaml:"data" env:"DATA"`
	Listen      string            `yaml:"listen" env:"LISTEN"`
	Models      string            `yaml:"models" env:"MODELS"`
	Model       string            `yaml:"model" env:"MODEL"`
	ONNXRuntime string            `yaml:"onnxruntime" env:"ONNXRUNTIME"`
	Workers     int               `yaml:"workers" env:"WORKERS"`
	Threads     int               `yaml:"threads" env:"THREADS"`
	Batch       int               `yaml:"batch" env:"BATCH"`
	Providers   []string          `yaml:"providers,flow" env:"PROVIDERS"`
	Fallback    bool              `yaml:"provider_fallback" env:"PROVIDER_FALLBACK"`
	Hub         hubConfig         `yaml:"hub" envPrefix:"HUB_"`
	Frames      frames            `yaml:"frames" envPrefix:"FRAMES_"`
	Folders     foldersConfig     `yaml:"folders" envPrefix:"FOLDERS_"`
	Studies     studiesConfig     `yaml:"studies" envPrefix:"STUDIES_"`
	Webhooks    webhooksConfig    `yaml:"webhooks" envPrefix:"WEBHOOKS_"`
	Privacy     privacy           `yaml:"privacy" envPrefix:"PRIVACY_"`
	Encryption  encryption        `yaml:"encryption" envPrefix:"ENCRYPTION_"`
	Votes       votesConfig       `yaml:"votes" envPrefix:"VOTES_"`
	Probes      probesConfig      `yaml:"probes" envPrefix:"PROBES_"`
	Index       indexConfig       `yaml:"index" envPrefix:"INDEX_"`
	Limits      limits            `yaml:"limits" envPrefix:"LIMITS_"`
	Backup      backupConfig      `yaml:"backup" envPrefix:"BACKUP_"`
	Store       storeConfig       `yaml:"store" envPrefix:"STORE_"`
	Maintenance maintenanceConfig `yaml:"maintenance" envPrefix:"MAINTENANCE_"`
	Hosts       []string          `yaml:"hosts,flow" env:"HOSTS"`
	Proxies     []string          `yaml:"trusted_proxies,flow" env:"TRUSTED_PROXIES"`
	TLS         tlsConfig         `yaml:"tls" envPrefix:"TLS_"`
	Auth        authConfig        `yaml:"auth" envPrefix:"AUTH_"`
	CORS        corsConfig        `yaml:"cors" envPrefix:"CORS_"`
	Audit       auditConfig       `yaml:"audit" envPrefix:"AUDIT_"`
	Log         logConfig         `yaml:"log" envPrefix:"LOG_"`
	Admin       adminConfig       `yaml:"admin" envPrefix:"ADMIN_"`
	Metrics     metricsConfig     `yaml:"metrics" envPrefix:"METRICS_"`
	Tracing     tracingConfig     `yaml:"tracing" envPrefix:"TRACING_"`
}

type hubConfig struct {
	Endpoint string `yaml:"endpoint" env:"ENDPOINT"`
	Token    string `yaml:"token" env:"TOKEN" secret:"true"`
}

type frames struct {
	Which  string `yaml:"which" env:"WHICH"`
	Sample int    `yaml:"sample" env:"SAMPLE"`
}

type privacy struct {
	KeyFile   string   `yaml:"key_file" env:"KEY_FILE"`
	Fields    []string `yaml:"fields" env:"FIELDS"`
	Originals string   `yaml:"originals" env:"ORIGINALS"`
	Names     bool     `yaml:"names" env:"NAMES"`
}

type votesConfig struct {
	Neighbours    int     `yaml:"neighbours" env:"NEIGHBOURS"`
	Weighting     string  `yaml:"weighting" env:"WEIGHTING"`
	Temperature   float64 `yaml:"temperature" env:"TEMPERATURE"`
	OnePerPatient bool    `yaml:"one_per_patient" env:"ONE_PER_PATIENT"`
}

type probesConfig struct {
	RefitLabels int           `yaml:"refit_labels" env:"REFIT_LABELS"`
	RefitAfter  time.Duration `yaml:"refit_after" env:"REFIT_AFTER"`
	RefitShare  float64       `yaml:"refit_share" env:"REFIT_SHARE"`
}

type indexConfig struct {
	Engine         string  `yaml:"engine" env:"ENGINE"`
	M              int     `yaml:"m" env:"M"`
	EfConstruction int     `yaml:"ef_construction" env:"EF_CONSTRUCTION"`
	EfSearch       int     `yaml:"ef_search" env:"EF_SEARCH"`
	Recall         float64 `yaml:"recall" env:"RECALL"`
	Candidates     int     `yaml:"candidates" env:"CANDIDATES"`
}

type limits struct {
	ImageBytes    int64         `yaml:"image_bytes" env:"IMAGE_BYTES"`
	ImagePixels   int64         `yaml:"image_pixels" env:"IMAGE_PIXELS"`
	ImageFrames   int           `yaml:"image_frames" env:"IMAGE_FRAMES"`
	RequestBytes  int64         `yaml:"request_bytes" env:"REQUEST_BYTES"`
	RequestImages int           `yaml:"request_images" env:"REQUEST_IMAGES"`
	DiskFreeBytes int64         `yaml:"disk_free_bytes" env:"DISK_FREE_BYTES"`
	RequestTime   time.Duration `yaml:"request_time" env:"REQUEST_TIME"`
	Heavy         int           `yaml:"heavy" env:"HEAVY"`
	Requests      float64       `yaml:"requests" env:"REQUESTS"`
	Burst         int           `yaml:"burst" env:"BURST"`
	Bytes         int64         `yaml:"bytes" env:"BYTES"`
	Concurrent    int           `yaml:"concurrent" env:"CONCURRENT"`
	Connections   int           `yaml:"connections" env:"CONNECTIONS"`
	MemoryBytes   int64         `yaml:"memory_bytes" env:"MEMORY_BYTES"`
}

type logConfig struct {
	Level  string `yaml:"level" env:"LEVEL"`
	Format string `yaml:"format" env:"FORMAT"`
}

type adminConfig struct {
	Listen string `yaml:"listen" env:"LISTEN"`
}

type metricsConfig struct {
	Public      bool          `yaml:"public" env:"PUBLIC"`
	RecallEvery time.Duration `yaml:"recall_every" env:"RECALL_EVERY"`
}

type tracingConfig struct {
	Endpoint string  `yaml:"endpoint" env:"ENDPOINT"`
	Ratio    float64 `yaml:"ratio" env:"RATIO"`
}

func defaults() config {
	return config{
		Data: "nearcase-data", Listen: "127.0.0.1:8417", Models: "models", Model: "scatter",
		Providers: []string{"cpu"},
		Hub:       hubConfig{Endpoint: "https://huggingface.co"},
		Frames:    frames{Which: api.All, Sample: 16},
		Folders:   foldersConfig{Allow: []string{}},
		Studies:   studiesConfig{Quiet: time.Minute},
		Webhooks:  webhooksConfig{Allow: []string{}},
		Privacy:   privacy{Fields: slices.Clone(embed.DefaultFields), Originals: api.Deidentified},
		Votes:     votesConfig{Neighbours: 20, Weighting: "softmax", Temperature: 0.07, OnePerPatient: true},
		Probes:    probesConfig{RefitLabels: 20, RefitAfter: 5 * time.Minute, RefitShare: 0.1},
		Index:     indexConfig{Engine: "auto"},
		Limits: limits{ImageBytes: 256 << 20, ImagePixels: 100_000_000, ImageFrames: 5000, RequestBytes: 1 << 30, RequestImages: 1000, DiskFreeBytes: 1 << 30,
			RequestTime: time.Hour, Heavy: 64, Requests: 10_000, Burst: 20_000, Concurrent: 256},
		Store:       storeConfig{MemoryBytes: local.DefaultMemory, BallastBytes: 64 << 20},
		Backup:      backupConfig{Keep: 4, Recipients: []string{}},
		Maintenance: maintenanceConfig{CompactDeleted: 0.5, VerifyEvery: 30 * 24 * time.Hour},
		Log:         logConfig{Level: "info", Format: "text"},
		Metrics:     metricsConfig{RecallEvery: 10 * time.Second},
		Tracing:     tracingConfig{Ratio: 0.1},
		Hosts:       []string{}, Proxies: []string{}, CORS: corsConfig{Origins: []string{}},
		Auth:  authConfig{OIDC: oidcConfig{Algorithms: []string{"RS256", "ES256"}, Skew: time.Minute, ScopeClaim: "scope", Scopes: map[string]string{}}},
		Audit: auditConfig{Record: "all", FileBytes: 64 << 20},
	}
}

// errConfig says that the configuration is wrong.
var errConfig = errors.New("configuration")

// envPrefix begins the names of the environment variables that overlay the
// file: NEARCASE_DATA, NEARCASE_VOTES_NEIGHBOURS and so on.
const envPrefix = "NEARCASE_"

// loadConfig reads the file, if one is named, and then the environment. Keys
// it does not know are refused.
func loadConfig(path string) (config, error) {
	c := defaults()
	if path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return c, fmt.Errorf("%w: %w", errConfig, err)
		}
		if err := parseConfig(b, &c); err != nil {
			return c, fmt.Errorf("%w %s: %w", errConfig, path, err)
		}
	}
	if err := env.ParseWithOptions(&c, env.Options{Prefix: envPrefix}); err != nil {
		return c, fmt.Errorf("%w in the environment: %w", errConfig, err)
	}
	if err := errors.Join(c.check(), checkEnvironment(&c)); err != nil {
		return c, fmt.Errorf("%w: %w", errConfig, err)
	}
	return c, nil
}

// checkEnvironment refuses variables that look like settings and are none.
func checkEnvironment(c *config) error {
	known := map[string]bool{}
	for _, name := range []string{"CONFIG", "KEY", "KEY_FILE", "TESTDATA", "CHARLS", "OPENJPEG"} { // the last two are of embed/native
		known[envPrefix+name] = true
	}
	fields, err := env.GetFieldParamsWithOptions(c, env.Options{Prefix: envPrefix})
	for _, f := range fields {
		known[f.Key] = true
	}
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, envPrefix) && !known[name] {
			err = errors.Join(err, fmt.Errorf("environment variable %s is not a setting", name))
		}
	}
	return err
}

func parseConfig(b []byte, c *config) error {
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return errors.New("more than one document")
	}
	return nil
}

func (c config) check() error {
	return errors.Join(
		within("workers", c.Workers, 0, 1024),
		within("threads", c.Threads, 0, 1024),
		within("batch", c.Batch, 0, 256),
		within("votes.neighbours", c.Votes.Neighbours, 1, 10_000),
		oneOf("frames.which", c.Frames.Which, api.All, api.Middle, api.Sample),
		within("frames.sample", c.Frames.Sample, 1, 10_000),
		c.Folders.check(),
		within("studies.quiet", c.Studies.Quiet, time.Second, 24*time.Hour),
		c.Webhooks.check(),
		oneOf("privacy.originals", c.Privacy.Originals, api.Deidentified, api.None, api.Received),
		c.Privacy.check(),
		c.Encryption.check(),
		c.Backup.check(),
		oneOf("votes.weighting", c.Votes.Weighting, "softmax", "uniform", "distance"),
		within("votes.temperature", c.Votes.Temperature, 1e-3, 100),
		within("probes.refit_labels", c.Probes.RefitLabels, 1, 1_000_000),
		within("probes.refit_after", c.Probes.RefitAfter, time.Second, 1000*time.Hour),
		within("probes.refit_share", c.Probes.RefitShare, 0.001, 1),
		oneOf("index.engine", c.Index.Engine, "auto", "exact", "graph", "coder"),
		within("index.m", c.Index.M, 0, 256),
		within("index.ef_construction", c.Index.EfConstruction, 0, 1<<16),
		within("index.ef_search", c.Index.EfSearch, 0, 1<<16),
		within("index.recall", c.Index.Recall, 0, 0.9999),
		within("index.candidates", c.Index.Candidates, 0, 1<<16),
		within("limits.image_bytes", c.Limits.ImageBytes, 1<<10, 4<<30),
		within("limits.image_pixels", c.Limits.ImagePixels, 1, 4_000_000_000),
		within("limits.image_frames", c.Limits.ImageFrames, 1, 1_000_000),
		within("limits.request_bytes", c.Limits.RequestBytes, 1<<10, 1<<40),
		within("limits.request_images", c.Limits.RequestImages, 1, 1_000_000),
		oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error"),
		oneOf("log.format", c.Log.Format, "text", "json"),
		within("limits.disk_free_bytes", c.Limits.DiskFreeBytes, 0, 1<<50),
		within("metrics.recall_every", c.Metrics.RecallEvery, 0, 1000*time.Hour),
		within("tracing.ratio", c.Tracing.Ratio, 0, 1),
		within("limits.request_time", c.Limits.RequestTime, time.Second, 1000*time.Hour),
		within("limits.heavy", c.Limits.Heavy, 0, 100_000),
		within("limits.requests", c.Limits.Requests, 0, 1e9),
		within("limits.burst", c.Limits.Burst, 0, 1_000_000_000),
		within("limits.bytes", c.Limits.Bytes, 0, 1<<40),
		within("limits.concurrent", c.Limits.Concurrent, 0, 1_000_000),
		oneOf("audit.record", c.Audit.Record, "all", "changes", "nothing"),
		within("audit.file_bytes", c.Audit.FileBytes, 1<<20, 1<<40),
		c.checkStore(),
		c.checkAccess(),
	)
}

// identifiers are attributes that name a patient as Patient ID does.
var identifiers = []string{"PatientID", "OtherPatientIDs", "OtherPatientIDsSequence", "IssuerOfPatientID"}

func (p privacy) check() error {
	for _, field := range p.Fields {
		if !embed.IsField(field) {
			return fmt.Errorf("privacy.fields has %q, which is no DICOM keyword known here", field)
		}
		if slices.Contains(identifiers, field) {
			return fmt.Errorf("privacy.fields has %s, which is kept by its pseudonym only", field)
		}
	}
	return nil
}

func within[T int | int64 | float64 | time.Duration](key string, v, low, high T) error {
	if v >= low && v <= high {
		return nil
	}
	return fmt.Errorf("%s is %v, use %v to %v", key, v, low, high)
}

func oneOf(key, v string, allowed ...string) error {
	for _, a := range allowed {
		if v == a {
			return nil
		}
	}
	return fmt.Errorf("%s is %q, use one of %q", key, v, allowed)
}

func (i indexConfig) spec() store.Index {
	return store.Index{
		Engine: i.Engine, M: i.M, EfConstruction: i.EfConstruction, EfSearch: i.EfSearch,
		Recall: i.Recall, Candidates: i.Candidates,
	}
}

// refit is when probes are refitted: before an answer that has no version, unless
// the program goes on and answers meanwhile.
func (p probesConfig) refit(serves bool) api.Refit {
	r := api.Refit{When: api.Asked, Labels: p.RefitLabels, After: p.RefitAfter, Share: p.RefitShare}
	if serves {
		r.When = api.Background
	}
	return r
}

// calm returns the configuration for a command that is over soon: it is told what
// went wrong and not what went well.
func (c config) calm() config {
	if c.Log.Level == "info" {
		c.Log.Level = "warn"
	}
	return c
}
