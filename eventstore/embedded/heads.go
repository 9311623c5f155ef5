package embedded

import (
	"daybook/eventstore"
	"daybook/internal/cache"
)

// HeadsBytesDefault bounds the memory for streams' last revisions, which are about 35,000. Tabs that are open are far fewer.
const HeadsBytesDefault = 8 << 20

// heads keeps streams' last revisions, so that an append need not look for them. Only the committer changes it.
type heads struct {
	*cache.Cache[string, eventstore.Revision]
}

func newHeads(bytes int64) heads { return heads{cache.New[string, eventstore.Revision](bytes)} }

func (h heads) put(stream string, revision eventstore.Revision) { h.Put(stream, revision, len(stream)) }
