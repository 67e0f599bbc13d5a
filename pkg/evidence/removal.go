// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"github.com/brokermesh/brokermesh/pkg/statusapi"
	"github.com/brokermesh/brokermesh/pkg/topology"
)

// awaited are the pods that have not said yet that they have no files of a store which is being deleted, with what is known of each.
func (j *judge) awaited(plan topology.StorePlan) []string {
	var out []string
	for _, pod := range plan.RemoveFrom {
		s, looked := j.sights[pod]
		if !looked || s.kind != fresh {
			out = append(out, pod+" doesn't answer")
			continue
		}
		switch e := storeEntry(s.status, plan.Object, statusapi.RoleMaster); {
		case e != nil && e.State == statusapi.StoreRemoved:
		case e != nil && e.State == statusapi.StoreFailed:
			out = append(out, pod+" can't remove them, its log says why")
		default:
			out = append(out, pod+" has not begun")
		}
	}
	return out
}

func removing(awaited []string) string {
	if len(awaited) == 0 {
		return "the store is being deleted; its files are removed"
	}
	return "the store is being deleted; its files are not removed everywhere: " + names(awaited)
}
