/* Whatever an object is: a rule has pods and a port, or its refusal has words; and the
 * pod that is chosen by it can be asked for. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "pod.h"

/* The object is also taken for the pod that is chosen from. */
static void choose(const struct pod_rule *rule, const struct value *object)
{
	const struct pod_distrust none = {0};
	struct pod_choice choice = {.rule = rule, .uid = "", .distrust = &none};
	struct err e = {0};
	struct pod *pod = pod_read(object);
	if (pod)
		pod_consider(&choice, pod);
	free(pod);
	const struct k8s_pod *chosen = pod_chosen(&choice, &e);
	assert(chosen ? *chosen->name && chosen->port && !strpbrk(chosen->name, "/?#% ")
		      : e.kind && *e.text);
}

static void read_as(const struct k8s_ref *ref, const struct value *object)
{
	struct pod_rule rule = pod_rule_of_ref(ref);
	struct buf selector = {0};
	struct err e = {0};
	choose(&rule, object);
	if (ref->type == K8S_POD || ref->type == K8S_SELECTOR)
		return;
	if (pod_rule_of_object(&rule, &selector, ref, object, &e)) {
		assert(!e.kind && buf_len(&selector) && (rule.port || *rule.port_name));
		choose(&rule, object);
	} else {
		assert(e.kind == ERR_NOT_FOUND && *e.text);
	}
	buf_free(&selector);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static char Namespace[] = "shop", Name[] = "web", Port[] = "http";
	struct document doc = {0};
	if (!json_parse(&doc, (const char *)p, n, NULL))
		return 0;
	for (int type = K8S_SERVICE; type <= K8S_SELECTOR; type++) {
		struct k8s_ref ref = {(enum k8s_type)type, Namespace, Name, 80, NULL};
		read_as(&ref, doc.root);
		ref.port = 0;
		ref.port_name = Port;
		read_as(&ref, doc.root);
	}
	document_free(&doc);
	return 0;
}
